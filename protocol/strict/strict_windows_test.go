package strict

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/internal/skip"
)

// odd fails: nothing stands in a folder here but files, folders and links.
func odd(string) error { return errors.ErrUnsupported }

// F6: what stands in a file's place is set aside, and a mode that keeps its owner out is put right.
func TestRepairOnWindows_F6(t *testing.T) {
	for kind, put := range map[string]func(path string) error{
		"read-only": func(p string) error { return os.WriteFile(p, nil, 0o444) },
		"no rights": func(p string) error {
			if err := os.WriteFile(p, nil, 0o600); err != nil {
				return err
			}
			return disk.Chmod(p, 0)
		},
		"a folder": func(p string) error { return os.MkdirAll(filepath.Join(p, "x"), 0o700) },
	} {
		path := filepath.Join(t.TempDir(), "file")
		must(t, put(path))
		must(t, Repair(path))
		file, err := OpenRepaired(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		file.Close()
		if aside := len(Aside(filepath.Dir(path))); aside > 1 || (aside == 1) != strings.HasPrefix(kind, "a ") {
			t.Errorf("%s: %d are set aside", kind, aside)
		}
	}
}

// link is one, as package disk tells of it.
type link struct {
	fs.FileInfo
	others fs.FileMode
}

func (l link) Mode() fs.FileMode { return fs.ModeSymlink | 0o700 | l.others }
func (l link) Sys() any          { return &disk.Security{Trusted: true} }

// F6: a link is a file of its own here: who may write it, has it lead elsewhere.
func TestLinksOfOthers_F6(t *testing.T) {
	for others, want := range map[fs.FileMode]bool{0: false, 0o005: false, 0o002: true, 0o007: true} {
		if problem := onTheWay(step{`C:\a\link`, link{others: others}}, `C:\a\link\home`); (problem != nil) != want {
			t.Errorf("mode %o: %v", others, problem)
		}
	}
}

// F6: where a link leads, of which Windows has one kind more.
func TestWhereLinksLead_F6(t *testing.T) {
	for target, want := range map[string]string{
		`data`:              ` data`,
		`..\data`:           ` .. data`,
		`\data`:             `C:\ data`,
		`/data/x`:           `C:\ data x`,
		`D:\data`:           `D:\ data`,
		`\\host\share\data`: `\\host\share\ data`,
	} {
		root, names := leads(`C:\a\b`, target)
		if got := root + " " + strings.Join(names, " "); got != want {
			t.Errorf("%s leads to %q, want %q", target, got, want)
		}
	}
}

// F6: the hint names us and those who are to go in a way that cmd and PowerShell both pass on.
func TestHowToWithdraw_F6(t *testing.T) {
	folder := t.TempDir()
	must(t, disk.Chmod(folder, 0o777))
	own, err := disk.OwnUser()
	must(t, err)
	want := `icacls "` + folder + `" /inheritance:r /grant:r "*` + own + `:(OI)(CI)F" "*S-1-5-18:(OI)(CI)F" /remove:g "*S-1-1-0"`
	if got := Withdraw("go", folder); got != want {
		t.Errorf("it is %s\nwant  %s", got, want)
	}
	file := filepath.Join(folder, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, disk.Chmod(file, 0o600))
	if got := Withdraw("go", file); strings.Contains(got, "(OI)") || strings.Contains(got, "/remove") || strings.ContainsAny(got, "%$`") {
		t.Errorf("it is %s", got)
	}
}

// F6: the folders that Windows comes with are good, and one that everybody may change is not,
// by the lists that a real Windows has.
func TestFoldersOfWindows_F6(t *testing.T) {
	skip.InWine(t, "its folders have access lists of its own making")
	home, err := os.UserHomeDir()
	must(t, err)
	if err := Folder(home); err != nil {
		t.Errorf("the profile's folder: %v", err)
	}
	if problem := As(Folder(`C:\Users\Public`)); problem == nil {
		t.Error("the folder of all users is taken for ours")
	}
	folder := t.TempDir()
	must(t, disk.Chmod(folder, 0o777))
	if problem := As(Folder(filepath.Join(folder, "home"))); problem == nil || problem.Path != folder {
		t.Errorf("below a folder of everybody's: %v", problem)
	}
}
