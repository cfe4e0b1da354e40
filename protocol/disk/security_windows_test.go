package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What an access list lets others do, as a mode. ME is our own user.
func TestJudge(t *testing.T) {
	const users, other = "BU", "S-1-5-21-1-2-3-4242"
	for text, want := range map[string]struct{ file, folder fs.FileMode }{
		"O:MED:P(A;;FA;;;ME)(A;;FA;;;SY)":                         {0o600, 0o700},
		"O:MED:(A;;FA;;;ME)(A;;FA;;;SY)(A;;FA;;;BA)":              {0o600, 0o700},
		"O:MED:(A;;FA;;;ME)(A;;FR;;;" + other + ")":               {0o604, 0o705},
		"O:MED:(A;;FA;;;ME)(A;;GR;;;WD)":                          {0o604, 0o705},
		"O:MED:(A;;FA;;;ME)(A;;FW;;;" + users + ")":               {0o602, 0o702 | fs.ModeSticky},
		"O:MED:(A;;FA;;;ME)(A;;GA;;;" + other + ")":               {0o606, 0o707},
		"O:MED:(A;;FA;;;ME)(A;;0x40;;;WD)":                        {0o600, 0o702}, // may remove what is in it
		"O:MED:(A;;FA;;;ME)(A;;SD;;;WD)":                          {0o602, 0o702},
		"O:MED:(A;;FA;;;ME)(A;;WD;;;WD)":                          {0o602, 0o702}, // may give itself rights
		"O:MED:(A;;FA;;;ME)(A;;WO;;;WD)":                          {0o602, 0o702},
		"O:MED:(A;;FA;;;ME)(A;OICIIO;FA;;;WD)":                    {0o600, 0o700}, // of what is made in it
		"O:MED:(A;;FA;;;ME)(A;OICIIO;GA;;;CO)":                    {0o600, 0o700},
		"O:MED:(A;;FA;;;ME)(A;;FR;;;AC)":                          {0o600, 0o700}, // programs in a sandbox
		"O:MED:(D;;FA;;;WD)(A;;FA;;;ME)":                          {0o600, 0o700},
		"O:MED:(XA;;FR;;;WD;(@User.x==1))":                        {0o404, 0o505},
		"O:MED:(OA;;FA;4828cc14-1437-45bc-9b07-ad6f015e5f28;;ME)": {0o606, 0o707}, // not read
		"O:MED:P": {0, 0},
		"O:ME":    {0o777, 0o777},
	} {
		descriptor, err := Descriptor(strings.ReplaceAll(text, "ME", own()))
		if err != nil {
			t.Logf("%s is no text here: %v", text, err) // conditions and objects, to wine
			continue
		}
		for folder, want := range map[bool]fs.FileMode{false: want.file, true: want.folder} {
			owner, mode, err := judge(descriptor, folder)
			if err != nil || mode != want || owner != own() {
				t.Errorf("%s (folder %v): %v of %s, %v, want %v", text, folder, mode, owner, err, want)
			}
		}
	}
}

// The folders that Windows comes with, as icacls shows them: others may add to some, and change none.
func TestJudgeOfWindows(t *testing.T) {
	const installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	for text, want := range map[string]fs.FileMode{
		"O:" + installer + `D:PAI(A;OICIIO;SDGXGWGR;;;AU)(A;;LC;;;AU)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)`: 0o707 | fs.ModeSticky, // C:\
		`O:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;;0x1200a9;;;BU)(A;OICIIO;GXGR;;;BU)(A;;0x1200a9;;;WD)`:                  0o705,                 // C:\Users
		`O:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;ME)`:                                                            0o700,                 // C:\Users\me
	} {
		descriptor, err := Descriptor(strings.ReplaceAll(text, "ME", own()))
		if err != nil {
			t.Fatal(err)
		}
		owner, mode, err := judge(descriptor, true)
		if err != nil || mode != want || !trusted(owner) {
			t.Errorf("%s: %v, %v, want %v", text, mode, err, want)
		}
	}
}

// What is cut short, or says that it is longer than it is, is refused.
func TestJudgeMalformed(t *testing.T) {
	whole, err := Descriptor("O:" + own() + "D:P(A;;FA;;;WD)(A;;FA;;;SY)")
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, mode, err := judge(whole[:n], false); err == nil && mode&0o077 == 0 {
			t.Errorf("%d of %d bytes: %v", n, len(whole), mode)
		}
		for _, b := range []byte{0, 1, 0x7f, 0xff} {
			bent := append([]byte(nil), whole...)
			bent[n] = b
			judge(bent, true)
		}
	}
}

// Others open files here so that nobody can rename or remove them meanwhile: they are waited
// for, and not for ever.
func TestWaitsForOthers(t *testing.T) {
	folder := t.TempDir()
	path, other := filepath.Join(folder, "file"), filepath.Join(folder, "other")
	for _, name := range []string{path, other} {
		if err := os.WriteFile(name, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		try  func() error
	}{
		{"rename", func() error { return Rename(other, path) }},
		{"remove", func() error { return Remove(path) }}, // what has been renamed
	} {
		holder, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if err := c.try(); !Held(err) || time.Since(begun) < patience {
			t.Errorf("%s, while it is held: %v after %v", c.name, err, time.Since(begun))
		}
		time.AfterFunc(50*time.Millisecond, func() { holder.Close() })
		if err := c.try(); err != nil {
			t.Errorf("%s, after that: %v", c.name, err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it is still there")
	}
}

// A full disk is what it is elsewhere: of what it says, callers know ENOSPC.
func TestFullDisk(t *testing.T) {
	for _, errno := range []syscall.Errno{39, 112} {
		if err := full(&fs.PathError{Op: "write", Path: "x", Err: errno}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%d is %v", errno, err)
		}
	}
	if err := full(syscall.ERROR_ACCESS_DENIED); errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

// A file that somebody has open who does not share that can be neither replaced nor removed, which
// is known without trying to.
func TestReplaceable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Replaceable(path); err != nil {
		t.Errorf("none: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := Replaceable(path); err != nil {
		t.Errorf("nobody has it open: %v", err)
	}
	ours, err := OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := Replaceable(path); err != nil {
		t.Errorf("we have it open: %v", err)
	}
	holder, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Replaceable(path); !Held(err) {
		t.Errorf("another program has it open: %v", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { holder.Close() })
	if err := Replaceable(path); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// A link is followed only where that was not forbidden.
func TestNoFollow(t *testing.T) {
	folder := t.TempDir()
	path, link := filepath.Join(folder, "file"), filepath.Join(folder, "link")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Skip("on Windows: links need a right here:", err)
	}
	if f, err := OpenFile(link, os.O_RDONLY|NoFollow, 0); err == nil {
		f.Close()
		t.Error("it was followed")
	}
}
