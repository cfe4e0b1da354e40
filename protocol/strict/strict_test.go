//go:build (unix && !aix) || windows

package strict

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/internal/skip"
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
	base, err := filepath.EvalSymlinks(t.TempDir())
	must(t, err)
	above, home = filepath.Join(base, "above"), filepath.Join(base, "above", "home")
	must(t, disk.Chmod(base, 0o755))
	must(t, os.MkdirAll(home, 0o755))
	must(t, os.Mkdir(filepath.Join(base, "elsewhere"), 0o755))
	for _, dir := range []string{above, home, filepath.Join(base, "elsewhere")} {
		must(t, disk.Chmod(dir, 0o755)) // whatever the umask
	}
	return base, above, home
}

// group is what a folder that a group of ours can write is: a matter of whose group
// that is.
func group(t *testing.T, path string) string {
	t.Helper()
	info, err := disk.Stat(path)
	must(t, err)
	if ourGroups(step{path, info}) {
		return ""
	}
	return path
}

// symlink is for Windows, where not everybody may make one, and wine only says that it did.
func symlink(t *testing.T, to, from string) error {
	err := makeLink(to, from)
	if err != nil && runtime.GOOS == "windows" {
		skip.OnWindows(t, "links need a right: "+err.Error())
	}
	return err
}

func makeLink(to, from string) error {
	if err := os.Symlink(to, from); err != nil {
		return err
	}
	_, err := os.Readlink(from)
	return err
}

// F6: a home that others could swap is none, wherever on the way they could.
func TestFolder_F6(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, base, above, home string) (path, problem string) // "" for none
		hint    string
	}{
		"all is ours": {func(_ *testing.T, _, _, home string) (string, string) { return home, "" }, ""},
		"others can write above": {func(t *testing.T, _, above, home string) (string, string) {
			must(t, disk.Chmod(above, 0o777))
			return home, above
		}, "go"},
		"the world can write above, and no group": {func(t *testing.T, _, above, home string) (string, string) {
			must(t, disk.Chmod(above, 0o757))
			return home, above
		}, "go"},
		"a group can write above": {func(t *testing.T, _, above, home string) (string, string) {
			must(t, disk.Chmod(above, 0o2775|fs.ModeSetgid))
			return home, group(t, above)
		}, "g"},
		"sticky above": {func(t *testing.T, _, above, home string) (string, string) {
			skip.InWine(t, "who may write a folder may remove what is in it")
			must(t, disk.Chmod(above, 0o777|fs.ModeSticky))
			return home, ""
		}, ""},
		"others can write two above": {func(t *testing.T, base, above, home string) (string, string) {
			must(t, disk.Chmod(base, 0o777))
			return home, base
		}, "go"},
		"sticky itself": {func(t *testing.T, _, _, home string) (string, string) {
			must(t, disk.Chmod(home, 0o777|fs.ModeSticky))
			return home, home
		}, "go"},
		"its own group can write": {func(t *testing.T, _, _, home string) (string, string) {
			must(t, disk.Chmod(home, 0o770))
			return home, home
		}, "go"},
		"a link from a folder of ours": {func(t *testing.T, base, _, home string) (string, string) {
			must(t, symlink(t, "../above/./home", filepath.Join(base, "elsewhere", "link")))
			return filepath.Join(base, "elsewhere", "link"), ""
		}, ""},
		"a link from a folder of everybody's": {func(t *testing.T, base, _, home string) (string, string) {
			must(t, symlink(t, home, filepath.Join(base, "elsewhere", "link")))
			must(t, disk.Chmod(filepath.Join(base, "elsewhere"), 0o777))
			return filepath.Join(base, "elsewhere", "link"), filepath.Join(base, "elsewhere")
		}, "go"},
		"a link from a sticky folder": {func(t *testing.T, base, _, home string) (string, string) {
			skip.InWine(t, "who may write a folder may remove what is in it")
			must(t, symlink(t, home, filepath.Join(base, "elsewhere", "link")))
			must(t, disk.Chmod(filepath.Join(base, "elsewhere"), 0o777|fs.ModeSticky))
			return filepath.Join(base, "elsewhere", "link"), ""
		}, ""},
		"a link above that leads through a folder of everybody's": {func(t *testing.T, base, above, _ string) (string, string) {
			middle := filepath.Join(base, "elsewhere", "middle")
			must(t, symlink(t, above, middle))
			must(t, symlink(t, middle, filepath.Join(base, "first")))
			must(t, disk.Chmod(filepath.Join(base, "elsewhere"), 0o777))
			return filepath.Join(base, "first", "home"), filepath.Join(base, "elsewhere")
		}, "go"},
		"not there, below a folder of everybody's": {func(t *testing.T, base, above, _ string) (string, string) {
			must(t, disk.Chmod(above, 0o777))
			return filepath.Join(above, "new"), above
		}, "go"},
		"a file": {func(t *testing.T, base, _, _ string) (string, string) {
			must(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o600))
			return filepath.Join(base, "file"), filepath.Join(base, "file")
		}, "move it away"},
	} {
		t.Run(name, func(t *testing.T) {
			base, above, home := aWay(t)
			path, problem := c.prepare(t, base, above, home)
			hint := c.hint
			if len(hint) <= 2 {
				hint = Withdraw(hint, problem)
			}
			err := Folder(path)
			found := As(err)
			switch {
			case problem == "" && err != nil:
				t.Errorf("refused: %v", err)
			case problem != "" && (found == nil || found.Path != problem || !strings.Contains(found.Hint, hint) || !strings.Contains(found.Text, problem)):
				t.Errorf("%v, want problem with %s, with the hint %q", err, problem, hint)
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
	must(t, symlink(t, loop, loop))
	if err := Folder(loop); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("a loop of links: %v", err)
	}
}

// F6: doctor names each folder, and what to do about it.
func TestExamineNamesEach_F6(t *testing.T) {
	base, above, home := aWay(t)
	for _, dir := range []string{base, above, home} {
		must(t, disk.Chmod(dir, 0o777))
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
	must(t, symlink(t, "../../elsewhere/target", file))
	for _, there := range []string{"dangling", "there"} {
		if err := File(file); err != nil {
			t.Errorf("%s: %v", there, err)
		}
		must(t, disk.Chmod(elsewhere, 0o777|fs.ModeSticky))
		if found := As(File(file)); found == nil || found.Path != elsewhere {
			t.Errorf("%s, in a folder of everybody's: %v", there, found)
		}
		must(t, disk.Chmod(elsewhere, 0o755))
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
		"is a link":                      func() error { return makeLink(target, file) },
		"is not a regular file of yours": func() error { return odd(file) },
	} {
		must(t, os.RemoveAll(file))
		if err := make(); err != nil && runtime.GOOS == "windows" {
			t.Log("on Windows: not to be had:", err)
			continue
		}
		if opened, err := Open(file, os.O_CREATE|os.O_RDWR, 0o600); err == nil || !strings.Contains(err.Error(), file+" "+kind) {
			t.Errorf("%s: %v, %v", kind, opened, err)
		}
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("the link was followed")
	}
	must(t, disk.Chmod(above, 0o777))
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
		if runtime.GOOS == "windows" && (c.mode&0o022 == 0o020 || c.mode&fs.ModeSticky != 0) {
			continue // no groups of this kind, nor, in wine, the other
		}
		must(t, disk.Chmod(c.path, c.mode))
		if got := Everybodys(program); got != c.want {
			t.Errorf("%s with mode %v: %v", c.path, c.mode, got)
		}
		must(t, disk.Chmod(c.path, 0o755))
	}
}
