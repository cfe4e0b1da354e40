//go:build linux

package drive_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/sim/drive"
	"github.com/falcred/falcred/protocol/disk"
)

// system is the real disk, by the functions that the daemon uses.
type system struct{}

func (system) OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error) {
	return disk.OpenFile(path, flag, perm)
}
func (system) Stat(path string) (fs.FileInfo, error)        { return disk.Stat(path) }
func (system) Lstat(path string) (fs.FileInfo, error)       { return disk.Lstat(path) }
func (system) Readlink(path string) (string, error)         { return disk.Readlink(path) }
func (system) EvalSymlinks(path string) (string, error)     { return disk.EvalSymlinks(path) }
func (system) ReadDir(path string) ([]fs.DirEntry, error)   { return disk.ReadDir(path) }
func (system) Rename(from, to string) error                 { return disk.Rename(from, to) }
func (system) Remove(path string) error                     { return disk.Remove(path) }
func (system) Chmod(path string, mode fs.FileMode) error    { return disk.Chmod(path, mode) }
func (system) MkdirAll(path string, mode fs.FileMode) error { return disk.MkdirAll(path, mode) }
func (system) SameFile(a, b fs.FileInfo) bool               { return disk.SameFile(a, b) }
func (system) TryLock(f disk.File) error                    { return disk.TryLock(f) }
func (system) Symlink(target, path string) error            { return os.Symlink(target, path) }
func (system) Link(from, to string) error                   { return os.Link(from, to) }

// files is what both have.
type files interface {
	OpenFile(path string, flag int, perm fs.FileMode) (disk.File, error)
	Stat(path string) (fs.FileInfo, error)
	Lstat(path string) (fs.FileInfo, error)
	Readlink(path string) (string, error)
	EvalSymlinks(path string) (string, error)
	ReadDir(path string) ([]fs.DirEntry, error)
	Rename(from, to string) error
	Remove(path string) error
	Chmod(path string, mode fs.FileMode) error
	MkdirAll(path string, mode fs.FileMode) error
	SameFile(a, b fs.FileInfo) bool
	TryLock(f disk.File) error
	Symlink(target, path string) error
	Link(from, to string) error
}

// side is one of the two, with the files that are open there.
type side struct {
	files
	open []disk.File
}

func describe(info fs.FileInfo, err error) string {
	if err != nil {
		return err.Error()
	}
	if info.IsDir() {
		return fmt.Sprint(info.Name(), info.Mode())
	}
	stat := info.Sys().(*syscall.Stat_t)
	return fmt.Sprint(info.Name(), info.Mode(), info.Size(), stat.Nlink, stat.Uid, stat.Gid, stat.Mode)
}

// listing is all that is below a folder, and what is in it.
func (s *side) listing(folder string) (text string) {
	entries, err := s.ReadDir(folder)
	for _, entry := range entries {
		path := filepath.Join(folder, entry.Name())
		text += path + " " + describe(s.Lstat(path)) + "\n"
		if entry.IsDir() {
			text += s.listing(path)
		} else if f, err := s.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0); err == nil {
			text += fmt.Sprintln(read(f, 5000, 0))
			f.Close()
		}
	}
	return text + fmt.Sprintln(err)
}

func read(f disk.File, size int, offset int64) string {
	data := make([]byte, size)
	n, err := f.ReadAt(data, offset)
	return fmt.Sprintf("%q %v", data[:n], err)
}

// step is one operation, to be done on either side: what it gave, in words.
type step func(s *side) string

func draw(rng *rand.Rand, home string, open int) (what string, do step) {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	any := func() string {
		return home + "/" + pick("a", "b", "c", "l", "m", "sub", "sub/a", "sub/b", "sub/l", "l/a", "deep/er", "deep/er/a", "a/x", "sub/../b", "./a", "sub//a", tooLong)
	}
	one, two, at := any(), any(), int64(rng.IntN(3000))
	flag := []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR}[rng.IntN(3)]
	for _, f := range []int{os.O_CREATE, os.O_CREATE, os.O_EXCL, os.O_TRUNC, os.O_APPEND, syscall.O_NOFOLLOW, syscall.O_NONBLOCK} {
		if rng.IntN(3) == 0 {
			flag |= f
		}
	}
	if flag&os.O_CREATE == 0 {
		flag &^= os.O_EXCL
	}
	modes := []fs.FileMode{0o700, 0o755, 0o711}
	if os.Geteuid() != 0 { // whom no mode binds
		modes = append(modes, 0o600, 0o644, 0, 0o400, 0o200, 0o100, 0o500, 0o077)
	}
	mode := modes[rng.IntN(len(modes))]
	data := make([]byte, rng.IntN(1200))
	if rng.IntN(3) > 0 {
		for i := range data {
			data[i] = byte('a' + rng.IntN(26))
		}
	}
	word := func(err error) string { return fmt.Sprint(err) }
	if open > 0 && rng.IntN(2) == 0 {
		i := rng.IntN(open)
		counted := func(n int, err error) string { return fmt.Sprint(n, err) }
		done := []step{
			func(s *side) string { return counted(s.open[i].Write(data)) },
			func(s *side) string { return counted(s.open[i].WriteAt(data, at)) },
			func(s *side) string { return read(s.open[i], len(data), at) },
			func(s *side) string { n, err := s.open[i].Read(data); return fmt.Sprint(data[:n], err) },
			func(s *side) string { return word(s.open[i].Truncate(at)) },
			func(s *side) string { return word(s.open[i].Sync()) },
			func(s *side) string { return word(s.open[i].Chmod(mode)) },
			func(s *side) string { return describe(s.open[i].Stat()) },
			func(s *side) string { return word(s.TryLock(s.open[i])) },
			func(s *side) string { return word(s.open[i].Close()) },
			func(s *side) string {
				f := s.open[i]
				s.open = append(s.open[:i:i], s.open[i+1:]...)
				return word(f.Close())
			},
		}
		k := rng.IntN(len(done))
		return fmt.Sprintf("file %d: %d, %d bytes at %d, mode %v", i, k, len(data), at, mode), done[k]
	}
	done := []step{
		func(s *side) string {
			f, err := s.OpenFile(one, flag, mode)
			if err == nil {
				s.open = append(s.open, f)
			}
			return word(err)
		},
		func(s *side) string { return describe(s.Stat(one)) },
		func(s *side) string { return describe(s.Lstat(one)) },
		func(s *side) string { to, err := s.Readlink(one); return to + word(err) },
		func(s *side) string { to, err := s.EvalSymlinks(one); return to + word(err) },
		func(s *side) string { return word(s.Rename(one, two)) },
		func(s *side) string { return word(s.Rename(one, two)) },
		func(s *side) string { return word(s.Remove(one)) },
		func(s *side) string { return word(s.Chmod(one, mode)) },
		func(s *side) string { return word(s.MkdirAll(one, 0o700)) },
		func(s *side) string { return word(s.Link(one, two)) },
		func(s *side) string { return word(s.Symlink(pickLink(at, two), one)) },
		func(s *side) string {
			a, err := s.Stat(one)
			b, other := s.Stat(two)
			return fmt.Sprint(err != nil, other != nil, err == nil && other == nil && s.SameFile(a, b))
		},
	}
	k := rng.IntN(len(done) + 4)
	if k >= len(done) {
		k = 0
	}
	return fmt.Sprintf("%d: %s, %s, flag %x, mode %v", k, one, two, flag, mode), done[k]
}

// pickLink is where a link leads: mostly to another name.
func pickLink(n int64, path string) string {
	if strings.Contains(path, tooLong) {
		path = "none" // of two errors a rename may then give either
	}
	return []string{path, filepath.Base(path), "sub", "../c", "none"}[n%5]
}

// letGo lets a folder be removed, whatever modes are in it.
func letGo(folder string) {
	os.Chmod(folder, 0o700)
	entries, _ := os.ReadDir(folder)
	for _, entry := range entries {
		if entry.IsDir() {
			letGo(filepath.Join(folder, entry.Name()))
		}
	}
}

// A Drive does what the system does, and says what it says.
func TestLikeTheSystem(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 10
	}
	defer syscall.Umask(syscall.Umask(0o022))
	done := map[bool]int{}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 1))
		home, err := filepath.EvalSymlinks(t.TempDir()) // whose parent the rounds share
		around := home
		if home += "/home"; err == nil {
			err = errors.Join(os.Chmod(around, 0o700), os.Mkdir(home, 0o700))
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { letGo(home) })
		simulated := drive.New(rng)
		simulated.Home(around)
		simulated.MkdirAll(home, 0o700)
		real, ours := &side{files: system{}}, &side{files: simulated}
		var story []string
		for range 400 {
			what, do := draw(rng, home, len(real.open))
			want, got := do(real), do(ours)
			story = append(story, fmt.Sprintf("%s\n\t%s\n\t%s", what, want, got))
			done[strings.HasSuffix(want, "<nil>")]++
			if got != want || len(real.open) != len(ours.open) {
				t.Fatalf("seed %d:\n%s", seed, strings.ReplaceAll(strings.Join(story[max(0, len(story)-40):], "\n"), home, ""))
			}
		}
		if want, got := real.listing(home), ours.listing(home); want != got {
			t.Fatalf("seed %d:\n%s\n\nis there\n%s\nsimulated\n%s", seed, strings.Join(story, "\n"), want, got)
		}
		for _, f := range real.open {
			f.Close()
		}
	}
	if done[true] < done[false]/4 {
		t.Errorf("%d operations of %d went well", done[true], done[false])
	}
}

var tooLong = strings.Repeat("n", 256)
