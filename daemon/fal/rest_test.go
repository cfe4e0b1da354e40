package fal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// §2: where a team's id is asked for. A login of another issuer is shown to no host
// but the one that its home's falcred.env names, whatever a shell says (R13).
func TestRESTHost_R13(t *testing.T) {
	const fals, others = true, false
	for _, c := range []struct {
		rest, grpc, host, file string
		issuer                 bool
		want, from             string
	}{
		{"", "", "", "", fals, StandardREST, ""},
		{"", "", "api.staging.example.com", "", fals, "https://rest.staging.example.com", "FAL_HOST"},
		{"", "", "grpc.example.com", "", fals, "https://grpc.example.com", "FAL_HOST"},
		{"", "api.a.example", "api.b.example", "", fals, "https://rest.a.example", "FAL_GRPC_HOST"},
		{"rest.example.com:8443", "api.a.example", "api.x", "", fals, "https://rest.example.com:8443", "FAL_REST_HOST"},
		{"rest.alpha.fal.ai", "", "", "", fals, StandardREST, "FAL_REST_HOST"},
		{"", "", "", "", others, "", ""},
		{"http://127.0.0.1:9", "", "", "", others, "", ""},
		{"rest.alpha.fal.ai", "api.alpha.fal.ai", "api.alpha.fal.ai", "", others, "", ""},
		{"", "", "", "http://127.0.0.1:9", others, "http://127.0.0.1:9", "FAL_REST_HOST"},
		{"rest.alpha.fal.ai", "api.a.example", "api.alpha.fal.ai", "rest.example.com", others, "https://rest.example.com", "FAL_REST_HOST"},
		{"", "", "", "http://rest.example.com", others, "error", ""},
		{"http://rest.example.com", "", "", "", fals, "error", ""},
		{"u:p@rest.example.com", "", "", "", fals, "error", ""},
		{"rest.example.com/path", "", "", "", fals, "error", ""},
	} {
		got, from, err := RESTHost(func(name string) string {
			return map[string]string{"FAL_REST_HOST": c.rest, "FAL_GRPC_HOST": c.grpc, "FAL_HOST": c.host}[name]
		}, map[string]string{"FAL_REST_HOST": c.file, "FAL_HOST": c.file, "FAL_GRPC_HOST": c.file}, c.issuer)
		if err != nil {
			got, from = "error", ""
		}
		if got != c.want || from != c.from {
			t.Errorf("%+v: %q, %q", c, got, from)
		}
	}
}

// §2: after the environment, and before fal's own host, comes that of the profile that the CLI
// uses, by the CLI's rules for profiles.
func TestRESTHostOfTheProfile_Section2(t *testing.T) {
	const standard = StandardREST + " " + sdkREST
	const work = "[work]\nhost = \"api.work.example\"\n"
	for what, c := range map[string]struct{ config, profile, named, want string }{
		"no config":                     {"", "", "", standard},
		"a profile that nobody chose":   {work, "", "", standard},
		"FAL_PROFILE":                   {work, "work", "", "https://rest.work.example"},
		"the config's own choice":       {"[__internal__]\nprofile = \"work\"\n" + work, "", "", "https://rest.work.example"},
		"FAL_PROFILE comes first":       {"[__internal__]\nprofile = \"work\"\n" + work + "[home]\nhost = \"home.example\"\n", "home", "", "https://home.example"},
		"one that does not exist":       {"[__internal__]\nprofile = \"work\"\n" + work, "none", "", standard},
		"one without a host":            {"[work]\nkey = \"SECRET\"\n", "work", "", standard},
		"an empty one":                  {"[work]\nhost = \"\"\n", "work", "", standard},
		"the CLI's own table is none":   {"[__internal__]\nprofile = \"__internal__\"\nhost = \"evil.example\"\n", "", "", standard},
		"the environment comes first":   {work, "work", "FAL_REST_HOST", StandardREST},
		"FAL_HOST=api.alpha.fal.ai":     {work, "work", "FAL_HOST", standard},
		"fal's own, in a profile":       {"[work]\nhost = \"api.alpha.fal.ai\"\n", "work", "", standard},
		"a number":                      {"[work]\nhost = 5\nkey = \"SECRET\"\n", "work", "", "error"},
		"no host":                       {"[work]\nhost = \"u:SECRET@x.example\"\n", "work", "", "error"},
		"api alone":                     {"[work]\nhost = \"api\"\n", "work", "", "error"},
		"plain http":                    {"[work]\nhost = \"http://10.0.0.1\"\n", "work", "", "error"},
		"no TOML":                       {"[work]\nhost = \"SECRET\n", "work", "", "error"},
		"a profile that is a text":      {"work = \"x\"\n", "work", "", standard},
		"a team is nobody's profile":    {"[__internal__]\nteam = \"work\"\n" + work, "", "", standard},
		"the table of another spelling": {"[__INTERNAL__]\nprofile = \"work\"\n" + work, "", "", standard},
	} {
		config := Config{filepath.Join(t.TempDir(), "config.toml"), c.profile}
		if c.config != "" {
			write(t, config.Path, c.config)
		}
		hosts, _, err := config.RESTHosts(StandardREST, c.named)
		got := strings.Join(hosts, " ")
		if err != nil {
			got = "error"
			if strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s: %v", what, err)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, %v; want %q", what, got, err, c.want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// R13, F6: a host that the fal config names counts only where nobody else can write that file,
// or put another one in its place. The team that it names is no credential's way, and is read.
func TestHostOfAFileOfOthers_R13F6(t *testing.T) {
	for what, c := range map[string]struct {
		change func(path string) error
		hint   string // "" where it counts
	}{
		"ours":                     {func(string) error { return nil }, ""},
		"read by others":           {func(path string) error { return disk.Chmod(path, 0o644) }, ""},
		"behind a link":            {func(path string) error { return relink(path, filepath.Join(filepath.Dir(path), "dotfiles")) }, ""},
		"written by the group":     {func(path string) error { return disk.Chmod(path, 0o620) }, "go"},
		"written by others":        {func(path string) error { return disk.Chmod(path, 0o602) }, "go"},
		"in everybody's folder":    {func(path string) error { return disk.Chmod(filepath.Dir(path), 0o777) }, "go"},
		"in a sticky one":          {func(path string) error { return disk.Chmod(filepath.Dir(path), 0o777|os.ModeSticky) }, "go"},
		"below everybody's folder": {func(path string) error { return disk.Chmod(filepath.Dir(filepath.Dir(path)), 0o777) }, "go"},
	} {
		path := filepath.Join(t.TempDir(), "fal", "config.toml")
		if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		config := Config{path, "work"}
		write(t, path, "[__internal__]\nteam = \"acme\"\n[work]\nhost = \"api.work.example\"\nkey = \"SECRET\"\n")
		if testkit.NotHere(t, what, c.change(path)) {
			continue
		}
		hosts, _, err := config.RESTHosts(StandardREST, "")
		switch p := strict.As(err); {
		case c.hint == "" && (err != nil || hosts[0] != "https://rest.work.example" || config.Others() != nil):
			t.Errorf("%s: %q, %v", what, hosts, err)
		case c.hint != "" && (p == nil || !strings.HasPrefix(p.Hint, strict.Withdraw(c.hint, p.Path)) || strings.Contains(p.Text, "SECRET") || config.Others() == nil):
			t.Errorf("%s: %q, %v", what, hosts, err)
		}
		if team, err := config.Team(); team != "acme" || err != nil {
			t.Errorf("%s: team %q, %v", what, team, err)
		}
		write(t, path, "[work]\nkey = \"x\"\n") // a file that names no host stands in nobody's way
		if hosts, _, err := config.RESTHosts(StandardREST, ""); len(hosts) != 2 || err != nil {
			t.Errorf("%s, without a host: %q, %v", what, hosts, err)
		}
	}
}

func relink(path, target string) error {
	if err := os.Rename(path, target); err != nil {
		return err
	}
	return testkit.TrySymlink(target, path)
}
