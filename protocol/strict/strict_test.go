//go:build unix && !aix

package strict

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// aWay is base/above/home, and base/elsewhere beside it, all ours alone.
func aWay(t *testing.T) (base, above, home string) {
	t.Helper()
	base = t.TempDir()
	above, home = filepath.Join(base, "above"), filepath.Join(base, "above", "home")
	must(t, os.Chmod(base, 0o755))
	must(t, os.MkdirAll(home, 0o755))
	must(t, os.Mkdir(filepath.Join(base, "elsewhere"), 0o755))
	for _, dir := range []string{above, home, filepath.Join(base, "elsewhere")} {
		must(t, os.Chmod(dir, 0o755)) // whatever the umask
	}
	return base, above, home
}

// group is what a folder that a group of ours can write is: a matter of whose group
// that is.
func group(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	if ourGroups(step{path, info}) {
		return ""
	}
	return path
}

// F6: a home that others could swap is none, wherever on the way they could.
func TestFolder_F6(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, base, above, home string) (path, problem string) // "" for none
		hint    string
	}{
		"all is ours": {func(_ *testing.T, _, _, home string) (string, string) { return home, "" }, ""},
		"others can write above": {func(t *testing.T, _, above, home string) (string, string) {
			must(t, os.Chmod(above, 0o777))
			return home, above
		}, "chmod go-w "},
		"the world can write above, and no group": {func(t *testing.T, _, above, home string) (string, string) {
			must(t, os.Chmod(above, 0o757))
			return home, above
		}, "chmod go-w "},
		"a group can write above": {func(t *testing.T, _, above, home string) (string, string) {
			must(t, os.Chmod(above, 0o2775|fs.ModeSetgid))
			return home, group(t, above)
		}, "chmod g-w "},
		"sticky above": {func(t *testing.T, _, above, home string) (string, string) {
			must(t, os.Chmod(above, 0o777|fs.ModeSticky))
			return home, ""
		}, ""},
		"others can write two above": {func(t *testing.T, base, above, home string) (string, string) {
			must(t, os.Chmod(base, 0o777))
			return home, base
		}, "chmod go-w "},
		"sticky itself": {func(t *testing.T, _, _, home string) (string, string) {
			must(t, os.Chmod(home, 0o777|fs.ModeSticky))
			return home, home
		}, "chmod go-w "},
		"its own group can write": {func(t *testing.T, _, _, home string) (string, string) {
			must(t, os.Chmod(home, 0o770))
			return home, home
		}, "chmod go-w "},
		"a link from a folder of ours": {func(t *testing.T, base, _, home string) (string, string) {
			must(t, os.Symlink("../above/./home", filepath.Join(base, "elsewhere", "link")))
			return filepath.Join(base, "elsewhere", "link"), ""
		}, ""},
		"a link from a folder of everybody's": {func(t *testing.T, base, _, home string) (string, string) {
			must(t, os.Symlink(home, filepath.Join(base, "elsewhere", "link")))
			must(t, os.Chmod(filepath.Join(base, "elsewhere"), 0o777))
			return filepath.Join(base, "elsewhere", "link"), filepath.Join(base, "elsewhere")
		}, "chmod go-w "},
		"a link from a sticky folder": {func(t *testing.T, base, _, home string) (string, string) {
			must(t, os.Symlink(home, filepath.Join(base, "elsewhere", "link")))
			must(t, os.Chmod(filepath.Join(base, "elsewhere"), 0o777|fs.ModeSticky))
			return filepath.Join(base, "elsewhere", "link"), ""
		}, ""},
		"a link above that leads through a folder of everybody's": {func(t *testing.T, base, above, _ string) (string, string) {
			middle := filepath.Join(base, "elsewhere", "middle")
			must(t, os.Symlink(above, middle))
			must(t, os.Symlink(middle, filepath.Join(base, "first")))
			must(t, os.Chmod(filepath.Join(base, "elsewhere"), 0o777))
			return filepath.Join(base, "first", "home"), filepath.Join(base, "elsewhere")
		}, "chmod go-w "},
		"not there, below a folder of everybody's": {func(t *testing.T, base, above, _ string) (string, string) {
			must(t, os.Chmod(above, 0o777))
			return filepath.Join(above, "new"), above
		}, "chmod go-w "},
		"a file": {func(t *testing.T, base, _, _ string) (string, string) {
			must(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o600))
			return filepath.Join(base, "file"), filepath.Join(base, "file")
		}, "move it away"},
	} {
		t.Run(name, func(t *testing.T) {
			base, above, home := aWay(t)
			path, problem := c.prepare(t, base, above, home)
			err := Folder(path)
			found := As(err)
			switch {
			case problem == "" && err != nil:
				t.Errorf("refused: %v", err)
			case problem != "" && (found == nil || found.Path != problem || !strings.Contains(found.Hint, c.hint) || !strings.Contains(found.Text, problem)):
				t.Errorf("%v, want problem with %s, with the hint %q", err, problem, c.hint)
			}
		})
	}
}

func TestFolderThatIsNotThere_F6(t *testing.T) {
	_, above, home := aWay(t)
	for _, path := range []string{filepath.Join(home, "new"), filepath.Join(home, "new", "deeper")} {
		if err := Folder(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
	loop := filepath.Join(above, "loop")
	must(t, os.Symlink(loop, loop))
	if err := Folder(loop); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop of links: %v", err)
	}
}

// F6: doctor names each folder, and what to do about it.
func TestExamineNamesEach_F6(t *testing.T) {
	base, above, home := aWay(t)
	for _, dir := range []string{base, above, home} {
		must(t, os.Chmod(dir, 0o777))
	}
	problems, err := Examine(home)
	must(t, err)
	var paths []string
	for _, problem := range problems {
		paths = append(paths, problem.Path)
	}
	if got, want := strings.Join(paths, " "), strings.Join([]string{base, above, home}, " "); got != want {
		t.Errorf("problems with %s, want %s", got, want)
	}
}

// F2, F6: a file behind links is as safe as the folders on its way.
func TestFile_F6(t *testing.T) {
	base, _, home := aWay(t)
	file, elsewhere := filepath.Join(home, "file"), filepath.Join(base, "elsewhere")
	if err := File(file); err != nil {
		t.Errorf("not there: %v", err)
	}
	must(t, os.Symlink("../../elsewhere/target", file))
	for _, there := range []string{"dangling", "there"} {
		if err := File(file); err != nil {
			t.Errorf("%s: %v", there, err)
		}
		must(t, os.Chmod(elsewhere, 0o777|fs.ModeSticky))
		if found := As(File(file)); found == nil || found.Path != elsewhere {
			t.Errorf("%s, in a folder of everybody's: %v", there, found)
		}
		must(t, os.Chmod(elsewhere, 0o755))
		must(t, os.WriteFile(filepath.Join(elsewhere, "target"), nil, 0o600))
	}
}

// F6: own files follow no link, and nothing else that has their name holds us.
func TestOpen_F6(t *testing.T) {
	_, above, home := aWay(t)
	file := filepath.Join(home, "file")
	opened, err := Open(file, os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	opened.Close()
	target := filepath.Join(above, "target")
	for kind, make := range map[string]func() error{
		"is a link":                      func() error { return os.Symlink(target, file) },
		"is not a regular file of yours": func() error { return syscall.Mkfifo(file, 0o600) },
	} {
		must(t, os.Remove(file))
		must(t, make())
		if opened, err := Open(file, os.O_CREATE|os.O_RDWR, 0o600); err == nil || !strings.Contains(err.Error(), file+" "+kind) {
			t.Errorf("%s: %v, %v", kind, opened, err)
		}
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("the link was followed")
	}
	must(t, os.Chmod(above, 0o777))
	if _, err := Open(file, os.O_RDONLY, 0); As(err) == nil || As(err).Path != above {
		t.Errorf("below a folder of everybody's: %v", err)
	}
}

// A program is run from where not everybody can put another one.
func TestEverybodys_F6(t *testing.T) {
	_, above, home := aWay(t)
	program := filepath.Join(home, "program")
	must(t, os.WriteFile(program, nil, 0o700))
	for _, c := range []struct {
		path string
		mode fs.FileMode
		want bool
	}{
		{home, 0o755, false}, {home, 0o775, false}, {home, 0o777 | fs.ModeSticky, false}, {home, 0o777, true},
		{above, 0o777, true}, {above, 0o777 | fs.ModeSticky, false}, {program, 0o702, true}, {program, 0o770, false},
	} {
		must(t, os.Chmod(c.path, c.mode))
		if got := Everybodys(program); got != c.want {
			t.Errorf("%s with mode %v: %v", c.path, c.mode, got)
		}
		must(t, os.Chmod(c.path, 0o755))
	}
}

// A group is its user's alone unless the tables say otherwise.
func TestPrivateGroup_F6(t *testing.T) {
	const ann = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n"
	for name, c := range map[string]struct {
		passwd, group string
		want          bool
	}{
		"as Debian makes it":          {ann, "ann:x:1000:\n", true},
		"she is named as its member":  {ann, "ann:x:1000:ann\n", true},
		"bob is a member":             {ann, "ann:x:1000:ann,bob\n", false},
		"bob's own group is this one": {ann + "bob:x:1001:1000::/home/bob:/bin/sh\n", "ann:x:1000:\n", false},
		"nobody is known":             {"", "", true},
		"another group has members":   {ann, "staff:x:50:bob\nann:x:1000:\n", true},
		"odd lines":                   {ann + "\n+::::::\n", "+:::\nann:x:1000:\n", true},
	} {
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, "passwd"), []byte(c.passwd), 0o600))
		must(t, os.WriteFile(filepath.Join(dir, "group"), []byte(c.group), 0o600))
		if got := alone(filepath.Join(dir, "passwd"), filepath.Join(dir, "group"), "1000"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// user_namespaces(7): who has a number of his own.
func TestNumbered_F6(t *testing.T) {
	for table, want := range map[string]bool{
		"         0          0 4294967295\n":                                   true,
		"      1000       1000          1\n":                                   false,
		"         0       1000          1\n         1     100000      65536\n": true,
		"         0       1000          1\n         1     100000      60000\n": false,
		"something else\n": true,
		"":                 false,
	} {
		path := filepath.Join(t.TempDir(), "uid_map")
		must(t, os.WriteFile(path, []byte(table), 0o600))
		if got := numbered(path, overflow); got != want {
			t.Errorf("%q: %v", table, got)
		}
	}
	if !numbered(filepath.Join(t.TempDir(), "none"), overflow) {
		t.Error("without a table")
	}
}

// F6: a file of ours that was made under a umask of 777 is ours again; what is not a file of
// ours keeps its mode.
func TestRegain_F6(t *testing.T) {
	home := t.TempDir()
	file, link, folder := filepath.Join(home, "file"), filepath.Join(home, "link"), filepath.Join(home, "folder")
	must(t, os.WriteFile(file, nil, 0))
	must(t, os.Symlink(file, link))
	must(t, os.Mkdir(folder, 0))
	if regain(link) == nil || regain(folder) == nil || regain(filepath.Join(home, "none")) == nil {
		t.Error("something else was changed")
	}
	opened, err := Open(file, os.O_RDWR|os.O_CREATE, 0o600)
	must(t, err)
	opened.Close()
	if err := regain(file); err != nil { // root could open it as it was
		t.Error(err)
	}
	for path, mode := range map[string]fs.FileMode{file: 0o600, folder: 0} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
}

// F6: what a process makes for itself it can use, under any umask, and nobody else gets more.
func TestOwnerMask_F6(t *testing.T) {
	before := syscall.Umask(0o777)
	defer syscall.Umask(before)
	OwnerMask()
	if now := syscall.Umask(0o022); now != 0o077 {
		t.Errorf("the umask is %03o", now)
	}
	OwnerMask()
	if now := syscall.Umask(0); now != 0o022 {
		t.Errorf("the umask was 022 and is %03o", now)
	}
}
