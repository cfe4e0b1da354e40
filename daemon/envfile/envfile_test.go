//go:build linux || darwin || windows

package envfile

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// inHome is a home with a falcred.env of that text.
func inHome(t *testing.T, text string) (home string) {
	t.Helper()
	home = t.TempDir()
	if err := disk.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, Name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

// §3: what a line sets, and of two lines with one name the last. What the environment says
// wins, an empty word too.
func TestLines_Section3(t *testing.T) {
	f, err := Read(inHome(t, "\n# a note\nA=b=c\n\texport D='e f' \r\nG=\"h\"\nI =  j k\nL=\nM='n\nA=last\no=\"\"\nP=it's"))
	want := map[string]string{"A": "last", "D": "e f", "G": "h", "I": "j k", "L": "", "M": "'n", "o": "", "P": "it's"}
	if err != nil || !maps.Equal(f.Values, want) {
		t.Fatalf("%q, %v", f.Values, err)
	}
	given := map[string]string{"A": "", "Z": "z"}
	lookup := f.Over(func(name string) (string, bool) { value, set := given[name]; return value, set })
	for name, want := range map[string]string{"A": " true", "D": "e f true", "Z": "z true", "none": " false"} {
		if value, set := lookup(name); fmt.Sprint(value, " ", set) != want {
			t.Errorf("%s is %q, %v", name, value, set)
		}
	}
	t.Setenv("A", "")
	for name := range want {
		if name != "A" {
			t.Setenv(name, "") // restored when the test ends
			os.Unsetenv(name)
		}
	}
	f.Export()
	if os.Getenv("A") != "" || os.Getenv("D") != "e f" {
		t.Errorf("exported: A=%q D=%q", os.Getenv("A"), os.Getenv("D"))
	}
}

// §3: no file is none, whatever its folder is like.
func TestNoFile_Section3(t *testing.T) {
	home := inHome(t, "")
	os.Remove(filepath.Join(home, Name))
	disk.Chmod(home, 0o777)
	for _, home := range []string{home, filepath.Join(home, "nothing")} {
		if f, err := Read(home); err != nil || f.Values != nil || f.Odd != nil {
			t.Errorf("%v, %v", f, err)
		}
	}
}

// §3, F6, S11: what others could have written, or is no file, or too long a one, is refused by
// its name, and said is what to do.
func TestRefusedFiles_F6S11(t *testing.T) {
	const text = "HTTPS_PROXY=http://ann:SECRET@proxy\n"
	mode := func(mode os.FileMode) func(string) error {
		return func(path string) error { return disk.Chmod(path, mode) }
	}
	instead := func(with func(path string) error) func(string) error {
		return func(path string) error {
			os.Remove(path)
			return with(path)
		}
	}
	cases := map[string]struct {
		spoil      func(path string) error
		want, hint string
	}{
		"group":  {mode(0o620), "can be written by others", "go"},
		"others": {mode(0o602), "can be written by others", "go"},
		"all":    {mode(0o666), "can be written by others", "go"},
		"a link": {func(path string) error {
			if err := os.Rename(path, path+"-"); err != nil {
				return err
			}
			return testkit.TrySymlink(path+"-", path)
		}, "is a link, and is not followed", "put the file itself there"},
		"a folder": {instead(func(path string) error { return os.Mkdir(path, 0o700) }), "is not a regular file of yours", "move it away"},
		"a FIFO":   {instead(func(path string) error { return testkit.Mkfifo(path) }), "is not a regular file of yours", "move it away"},
		"too long": {func(path string) error {
			return os.WriteFile(path, []byte(text+"#"+strings.Repeat("x", 64<<10)), 0o600)
		}, "is larger than 64 KiB", "remove from it"},
	}
	if os.Geteuid() == 0 {
		c := cases["group"]
		c.spoil = func(path string) error { return os.Chown(path, 12345, 12345) }
		c.want, c.hint = "belongs to another user", "have it given to you"
		cases["another's"] = c
	}
	for name, c := range cases {
		home := inHome(t, text)
		path := filepath.Join(home, Name)
		if c.hint == "go" {
			c.hint = strict.Withdraw(c.hint, path)
		}
		if testkit.NotHere(t, name, c.spoil(path)) {
			continue
		}
		f, err := Read(home)
		if err == nil || f.Values != nil || !strings.Contains(err.Error(), path+" "+c.want) || !strings.Contains(err.Error(), c.hint) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	home := inHome(t, text)
	disk.Chmod(filepath.Join(home, Name), 0o000) // its owner may have it again
	if f, err := Read(home); err != nil || len(f.Values) != 1 {
		t.Errorf("mode 000: %v, %v", f, err)
	}
}

// §3, S11, R12: lines that are refused, by their number and never with their text.
func TestRefusedLines_Section3S11R12(t *testing.T) {
	for text, want := range map[string]string{
		"FAL_KEY SECRET":                  "line 2 is not KEY=VALUE\ncorrect that line",
		"SECRET":                          "line 2 is not KEY=VALUE\ncorrect that line",
		"FAL-KEY=SECRET":                  "line 2 is not KEY=VALUE\ncorrect that line",
		"=SECRET":                         "line 2 is not KEY=VALUE\ncorrect that line",
		"1A=SECRET":                       "line 2 is not KEY=VALUE\ncorrect that line",
		"export FAL_KEY":                  "line 2 is not KEY=VALUE\ncorrect that line",
		"set FAL_KEY=SECRET":              "line 2 is not KEY=VALUE\ncorrect that line",
		"FAL_KEY: SECRET=":                "line 2 is not KEY=VALUE\ncorrect that line",
		"FAL_KEY=SEC\x00RET":              "line 2 holds a NUL byte\ncorrect that line",
		"\ufeffFAL_KEY=SECRET":            "line 2 begins with a byte order mark\nsave the file",
		"FAL_HOME_DIR=/SECRET":            " cannot set FAL_HOME_DIR: programs that look for the daemon do not read that file\nset it in the environment",
		"export FALCRED_SOCKET='/SECRET'": " cannot set FALCRED_SOCKET: programs that look for the daemon do not read that file\nset it in the environment",
		"FAL_CONFIG_PATH=SECRET.toml":     " sets FAL_CONFIG_PATH to a relative path, which is another file in each working folder\ngive it an absolute path",
	} {
		home := inHome(t, "A=b\n"+text+"\n")
		f, err := Read(home)
		if err == nil || f.Values != nil || !strings.HasPrefix(err.Error(), filepath.Join(home, Name)) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// R12: nothing shows a value, nor what may be a part of one and reads like a name.
func TestNoValueIsShown_R12(t *testing.T) {
	const key = "MC4CAQAwBQYDK2VwBCIEIEqhl8v3Sx"
	home := inHome(t, "FAL_KEY= \"SECRET\nFAL_KEYS=SECRET #SECRET\nexport HTTPS_PROXY=$SECRET\\\n"+
		key+"==\n"+key+"==\nexport deadbeef0123 = SECRET\nX"+strings.Repeat("SECRET", 9)+"=\nNTFY_TOPIC=SECRET\n")
	f, err := Read(home)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Names(); !slices.Equal(got, []string{"FAL_KEY", "FAL_KEYS", "HTTPS_PROXY", "NTFY_TOPIC"}) {
		t.Errorf("the names are %v", got)
	}
	all := strings.Join(f.Odd, "\n") + fmt.Sprintf("%v %+v %#v %s", f, f, f, f.Names())
	for _, hidden := range []string{"SECRET", key, "deadbeef"} {
		if strings.Contains(all, hidden) {
			t.Errorf("%s is shown: %s", hidden, all)
		}
	}
	for _, number := range []string{"line 4: the name on it is not like a variable's", "line 6: the name on it", "line 7: the name on it"} {
		if !strings.Contains(all, number) {
			t.Errorf("%s is missing: %s", number, all)
		}
	}
}

// R12: whatever stands there, an error names a line by its number and quotes nothing.
func FuzzParse(f *testing.F) {
	f.Add("A=b\n# c\nexport D='e f'\n")
	f.Add("FAL_KEY SECRETSECRET")
	f.Add("FALCRED_ISUER=x\nX=\"\nFALCRED_ON_CHANGE='\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		file, err := parse("", text)
		for name, value := range file.Values {
			if !isName(name) || strings.ContainsRune(value, 0) {
				t.Fatalf("accepted %q", name)
			}
		}
		for _, told := range append(file.Odd, fmt.Sprint(err)) {
			if len(told) > 300 {
				t.Fatalf("a text quotes its line: %s", told)
			}
		}
	})
}
