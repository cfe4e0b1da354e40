//go:build unix && !aix

package strict

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// odd puts something that is no file at path.
func odd(path string) error { return syscall.Mkfifo(path, 0o600) }

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
