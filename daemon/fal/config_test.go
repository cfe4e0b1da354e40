package fal

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func TestConfigKeepsTheRest(t *testing.T) {
	const profiles = "# mine\n[work]\nkey = \"id:secret\" # a key\nhost=\"api.example.com\"\n"
	for name, c := range map[string]struct{ before, set, after string }{
		"no file":            {"", "acme", "[__internal__]\nteam = \"acme\"\n"},
		"no table":           {profiles, "acme", profiles + "[__internal__]\nteam = \"acme\"\n"},
		"no line end":        {"[work]\na=1", "acme", "[work]\na=1\n[__internal__]\nteam = \"acme\"\n"},
		"table, empty":       {"[__internal__] # x\nprofile = 'work'\n\n" + profiles, "acme", "[__internal__] # x\nteam = \"acme\"\n\n" + profiles},
		"replaced":           {"[__internal__]\nteam='old' # why\nprofile='work'\n" + profiles, "new", "[__internal__]\nteam = \"new\" # why\n" + profiles},
		"unset":              {"[__internal__]\nteam = \"old\"\nprofile = \"work\"\n" + profiles, "", "[__internal__]\nprofile = \"work\"\n" + profiles},
		"the same":           {"[__internal__]\nteam = 'acme'\n" + profiles, "acme", "[__internal__]\nteam = 'acme'\n" + profiles},
		"the same, profile":  {"[__internal__]\nprofile = 'work' # w\nteam = 'acme'\n" + profiles, "acme", "[__internal__]\nteam = 'acme'\n" + profiles},
		"unset, none":        {profiles, "", profiles},
		"unset, no file":     {"", "", "[__internal__]\n"},
		"unset, no line end": {"[__internal__]\nteam = 'a'", "", "[__internal__]\n"},
		"header at the end":  {"x = nan\n[__internal__]", "acme", "x = nan\n[__internal__]\nteam = \"acme\"\n"},
		"quotes":             {"", `a"b\c`, "[__internal__]\nteam = \"a\\\"b\\\\c\"\n"},
		"elsewhere":          {"[work]\nteam = \"x\"\n", "acme", "[work]\nteam = \"x\"\n[__internal__]\nteam = \"acme\"\n"},
	} {
		t.Run(name, func(t *testing.T) {
			config := Config{Path: filepath.Join(t.TempDir(), "sub", "config.toml")}
			if c.before != "" {
				os.MkdirAll(filepath.Dir(config.Path), 0o700)
				if err := os.WriteFile(config.Path, []byte(c.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := config.SetTeam(c.set); err != nil {
				t.Fatal(err)
			}
			now, _ := os.ReadFile(config.Path)
			if string(now) != c.after {
				t.Errorf("got\n%s\nwant\n%s", now, c.after)
			}
			if team, err := config.Team(); err != nil || team != c.set {
				t.Errorf("Team = %q, %v", team, err)
			}
		})
	}
}

// What cannot be edited safely is left as it is, and no error quotes a key.
func TestConfigIsNotDamaged(t *testing.T) {
	for _, text := range []string{
		"__internal__ = { team = \"x\" }\n",
		"__internal__.team = \"x\"\n",
		"[work]\nkey = \"SECRET\n",
		"[__internal__]\nteam = 5\n",
		"[__internal__",
		"\x00\x01",
	} {
		config := Config{Path: filepath.Join(t.TempDir(), "config.toml")}
		if err := os.WriteFile(config.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := config.SetTeam("acme")
		if err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", text, err)
		}
		if now, _ := os.ReadFile(config.Path); string(now) != text {
			t.Errorf("%q became %q", text, now)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("[__internal__]\nteam = \"a\"\n[work]\nkey = \"k\"\n"), "acme")
	f.Add([]byte("a.b = 1\n[[x]]\ny = [1, {z = 2}]\n"), "")
	f.Fuzz(func(t *testing.T, text []byte, team string) {
		after, err := edit(text, "team", team)
		if err != nil {
			return
		}
		now, err := Config{}.TeamIn(after)
		if err != nil || now != team {
			t.Fatalf("team %q became %q, %v\n%s", team, now, err, after)
		}
	})
}

// §3: as the CLI's open(os.path.expanduser(os.getenv("FAL_CONFIG_PATH", "~/.fal/config.toml"))).
func TestLocate_Section3(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	here, _ = filepath.EvalSymlinks(here)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	ann, _ := filepath.Abs("/home/ann") // of a drive, on Windows
	etc, _ := filepath.Abs("/etc/fal.toml")
	blank := filepath.Join(here, " ")
	_, name, found := strings.Cut(me.Username, `\`) // Windows puts the domain first
	if !found {
		name = me.Username
	}
	if runtime.GOOS == "windows" {
		blank = "error" // no file is called that
	}
	_, err = user.Lookup(name)
	nameless := testkit.NotHere(t, "~user", err)
	for given, want := range map[string]string{
		"(unset)":                filepath.Join(ann, ".fal/config.toml"),
		"":                       "",
		"~":                      ann,
		"~/x/config.toml":        filepath.Join(ann, "x/config.toml"),
		"~//x":                   filepath.Join(ann, "x"),
		"~" + name + "/x.toml":   filepath.Join(me.HomeDir, "x.toml"),
		"~" + name:               me.HomeDir,
		"~nobody-of-that-name/x": "error",
		"/etc/fal.toml":          etc,
		"/etc/./x/../fal.toml":   etc,
		"relative.toml":          filepath.Join(here, "relative.toml"),
		"../up.toml":             filepath.Join(filepath.Dir(here), "up.toml"),
		"x~/y":                   filepath.Join(here, "x~/y"),
		" ":                      blank,
		"a\nb":                   "error",
	} {
		config, err := Locate(func(name string) (string, bool) {
			value, set := map[string]string{"HOME": ann, "USERPROFILE": ann, "FAL_CONFIG_PATH": given, "FAL_HOME_DIR": "/elsewhere", "FAL_PROFILE": "work"}[name]
			return value, set && value != "(unset)"
		})
		got := config.Path
		if err != nil {
			got = "error"
		}
		if nameless && strings.HasPrefix(given, "~"+name) {
			want = "error"
		}
		if got != want || got != "error" && got != "" && config.Profile != "work" {
			t.Errorf("%q: %+v, %v; want %q", given, config, err, want)
		}
	}
	// Where nothing says what the home folder is, the CLI finds no config either.
	config, err := Locate(func(name string) (string, bool) { return "relative", name == "HOME" || name == "USERPROFILE" })
	if config != (Config{}) || err != nil {
		t.Errorf("without a home: %+v, %v", config, err)
	}
}

// §3: no config at all names no team, is no error, and takes none.
func TestNoConfig_Section3(t *testing.T) {
	var none Config
	team, err := none.Team()
	if hosts, from, hostErr := none.RESTHosts(StandardREST, ""); team != "" || err != nil || len(hosts) != 2 || from != "" || hostErr != nil || none.Others() != nil {
		t.Errorf("%q, %v, %q, %v", team, err, hosts, hostErr)
	}
	if err := none.UnsetTeam(); err != nil {
		t.Error(err)
	}
	if err := none.SetTeam("acme"); err == nil || !strings.Contains(err.Error(), "FAL_CONFIG_PATH") {
		t.Error(err)
	}
}

// TOML's keys are case-sensitive, and so is the CLI: a team under another name is
// nobody's. Found by FuzzConfig.
func TestConfigTeam(t *testing.T) {
	for text, want := range map[string]string{
		"[__internal__]\nteam = \"a\"\nteAM = \"b\"\n": "a",
		"[__internal__]\nTeam = \"b\"\n":               "",
		"[__INTERNAL__]\nteam = \"b\"\n":               "",
		"__internal__.team = \"a\"\n":                  "a",
		"":                                             "",
		"[__internal__]\nteam = 1\n":                   "error",
		"__internal__ = 1\n":                           "error",
		"[[__internal__]]\nteam = \"a\"\n":             "error",
	} {
		got, err := Config{Path: "config.toml"}.TeamIn([]byte(text))
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}
