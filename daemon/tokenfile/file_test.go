//go:build linux || darwin || windows

package tokenfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// F3: what can stand where the token file should is told apart, and each thing that is
// none has its words and its hint. Nothing that stands there is waited for, or changed.
func TestRead_F3(t *testing.T) {
	const usual = "move it away, then log in: falcred login"
	for name, c := range map[string]struct {
		make  func(path string) error
		state State
		pair  TokenPair
		err   string // PATH stands for its path
		hint  string
	}{
		"nothing":   {make: func(string) error { return nil }, state: Absent},
		"one line":  {make: holding("refresh\n"), state: Holds, pair: TokenPair{Refresh: "refresh"}},
		"two lines": {make: holding(" refresh \r\n\naccess\nmore"), state: Holds, pair: TokenPair{"refresh", "access"}},
		"empty":     {make: holding(""), state: Empty},
		"white":     {make: holding(" \n\t\r\n"), state: Empty},
		"binary":    {make: holding("\x7fELF\x02\x01\x00"), state: Unusable, err: "PATH: the token file does not hold tokens (control bytes or binary data)", hint: usual},
		"10 MB":     {make: holding(strings.Repeat("a", 10<<20)), state: Unusable, err: "PATH has 10485760 bytes, more than any login (65536)", hint: usual},
		"the most":  {make: holding(strings.Repeat("a", MaxSize)), state: Holds, pair: TokenPair{Refresh: strings.Repeat("a", MaxSize)}},
		"a folder":  {make: func(p string) error { return os.Mkdir(p, 0o700) }, state: Unusable, err: "PATH is not a regular file", hint: usual},
		"a FIFO":    {make: mkfifo, state: Unusable, err: "PATH is not a regular file", hint: usual},
		"a device":  {make: func(p string) error { return testkit.TrySymlink("/dev/zero", p) }, state: Unusable, err: "/dev can be written", hint: ""},
		"a loop":    {make: func(p string) error { return testkit.TrySymlink(filepath.Base(p), p) }, state: Unusable, err: "open PATH: too many levels of symbolic links", hint: usual},
		"dangling":  {make: func(p string) error { return testkit.TrySymlink("none", p) }, state: Absent},
		"unreadable": {make: unreadable, state: Unusable, err: map[bool]string{true: "PATH belongs to another user", false: "open PATH: permission denied"}[os.Getuid() == 0],
			hint: map[bool]string{true: "leave it where it is: it may be a colleague's login; set FAL_HOME_DIR to a folder of your own, or run falcred as that user", false: "give yourself the right to use it: chmod u+rw; to see the rights of it and its folder: ls -ld"}[os.Getuid() == 0]},
		"followed": {make: holding(env.Placeholder + "\naccess"), state: Unusable, pair: TokenPair{env.Placeholder, "access"},
			err:  "PATH is kept by falcred follow, and holds no login of its own",
			hint: "set FALCRED_SOCKET to the socket that falcred follow uses; or end falcred follow, and remove the file if it was left behind"},
	} {
		t.Run(name, func(t *testing.T) {
			f := In(t.TempDir(), nil)
			if testkit.NotHere(t, name, c.make(f.Path)) {
				return
			}
			before, _ := disk.Lstat(f.Path)
			got := f.Read()
			if got.State != c.state || got.Pair != c.pair {
				t.Errorf("%v with %q, want %v", got.State, got.Pair.Bytes(), c.state)
			}
			want := strings.ReplaceAll(c.err, "PATH", f.Path)
			switch {
			case name == "a device": // in a container the way to it may be open to nobody else
				if got.Err == nil {
					t.Error("no error")
				}
			case (got.Err == nil) != (want == "") || got.Err != nil && (got.Err.Error() != want || got.Hint() != c.hint):
				t.Errorf("%v\n%s\nwant %s\n%s", got.Err, got.Hint(), want, c.hint)
			}
			if after, _ := disk.Lstat(f.Path); before != nil && (after == nil || !disk.SameFile(before, after) || after.Mode() != before.Mode()) {
				t.Errorf("what stood there was changed: %v", after)
			}
			if !got.Same(f.Read()) {
				t.Error("it is something else the second time")
			}
		})
	}
}

func holding(text string) func(path string) error {
	return func(path string) error { return testkit.WriteFile(path, text) }
}

func unreadable(path string) error {
	if runtime.GOOS == "windows" { // who may not read one of his own gives himself the right
		return errors.ErrUnsupported
	}
	if err := os.WriteFile(path, []byte("refresh"), 0o000); err != nil || os.Getuid() != 0 {
		return err
	}
	return os.Chown(path, 12345, 12345) // root reads what has no mode
}

// R12: what is printed of a login by accident holds no token.
func TestPrintedWithoutTokens_R12(t *testing.T) {
	p := TokenPair{"a-refresh", "an-access"}
	c := Content{State: Holds, Pair: p}
	json, err := json.Marshal(map[string]any{"pair": p, "content": c, "token": Dated(p, time.Now())})
	testkit.Must(t, err)
	for _, text := range []string{
		string(json), fmt.Sprint(p), fmt.Sprintf("%+v %#v %v %+v %#v", p, p, &p, c, c), fmt.Sprintf("%v %+v %#v", Dated(p, time.Now()), Dated(p, time.Now()), Dated(p, time.Now())),
	} {
		if strings.Contains(text, "a-refresh") || strings.Contains(text, "an-access") {
			t.Errorf("printed: %s", text)
		}
	}
}

// What is unusable for a reason found elsewhere holds nothing to be used.
func TestBecause(t *testing.T) {
	c := Content{State: Holds, Pair: TokenPair{"refresh", "access"}}
	reason := errors.New("reason")
	got := c.Because(reason, "hint")
	if got.State != Unusable || got.Pair != (TokenPair{}) || got.Err != reason || got.Hint() != "hint" || got.Same(c) {
		t.Errorf("%+v", got)
	}
	if got := c.Because(reason, ""); got.Hint() != "move it away, then log in: falcred login" {
		t.Errorf("the usual hint is %q", got.Hint())
	}
}

// F2: a file that others can read is taken from them, and that is said once.
func TestTightened_F2(t *testing.T) {
	var said []string
	f := In(t.TempDir(), func(text string) { said = append(said, text) })
	testkit.Must(t, os.WriteFile(f.Path, []byte("refresh"), 0o600))
	testkit.Must(t, disk.Chmod(f.Path, 0o644))
	for range 2 {
		if c := f.Read(); c.State != Holds {
			t.Errorf("%v", c)
		}
	}
	if info, err := disk.Stat(f.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode: %v, %v", info, err)
	}
	if len(said) != 1 || said[0] != "the token file was readable by other users, and is not any more" {
		t.Errorf("said %q", said)
	}
}

// F2: a link stays a link, several hard links stay one file, which is said; and what is
// written is 0600.
func TestReplaceKeepsLinks_F2(t *testing.T) {
	ours := TokenPair{"refresh", "access"}
	unchanged := func() error { return nil }
	for name, c := range map[string]struct {
		make func(path, other string) error
		said string
	}{
		"nothing there":   {func(string, string) error { return nil }, ""},
		"a dangling link": {func(path, other string) error { return testkit.TrySymlink(other, path) }, ""},
		"a link": {func(path, other string) error {
			return errors.Join(os.WriteFile(other, []byte("theirs"), 0o600), testkit.TrySymlink(other, path))
		}, ""},
		"a hard link": {func(path, other string) error {
			return errors.Join(testkit.WriteFile(other, "theirs, and longer than ours"), os.Link(other, path))
		}, "the token file is written in place, so a reader can find it half written: it has several hard links"},
	} {
		t.Run(name, func(t *testing.T) {
			said := ""
			f := In(t.TempDir(), func(text string) { said += text })
			other := filepath.Join(t.TempDir(), "other")
			if testkit.NotHere(t, name, c.make(f.Path, other)) {
				return
			}
			target, err := f.Target()
			testkit.Must(t, err)
			testkit.Must(t, f.Replace(target, ours, unchanged))
			if got := f.Read(); got.State != Holds || got.Pair != ours {
				t.Errorf("it holds %q: %v", got.Pair.Bytes(), got.Err)
			}
			if name != "nothing there" {
				if data, err := os.ReadFile(other); err != nil || !bytes.Equal(data, ours.Bytes()) {
					t.Errorf("the other name: %q, %v", data, err)
				}
			}
			if info, err := disk.Lstat(f.Path); err != nil || (info.Mode().Type() == fs.ModeSymlink) != strings.HasSuffix(name, " link") && name != "a hard link" {
				t.Errorf("it became %v, %v", info, err)
			}
			if info, err := disk.Stat(f.Path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("its mode: %v, %v", info, err)
			}
			if said != c.said {
				t.Errorf("said %q", said)
			}
			if left := fsx.Temporaries(target); len(left) != 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// A link into a folder that does not exist is named as what it is.
func TestTargetIntoNoFolder(t *testing.T) {
	f := In(t.TempDir(), nil)
	testkit.Symlink(t, "none/token", f.Path)
	if _, err := f.Target(); err == nil || !strings.HasPrefix(err.Error(), "the token file is a link into a folder that does not exist: ") || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// An error of a write names no temporary file: each try would read like another one.
func TestReplaceNamesNoTemporaryFile(t *testing.T) {
	f := In(t.TempDir(), nil)
	testkit.Must(t, os.MkdirAll(filepath.Join(f.Path, "full"), 0o700))
	err := f.Replace(f.Path, TokenPair{Refresh: "refresh"}, func() error { return nil })
	if err == nil || strings.Contains(err.Error(), filepath.Dir(f.Path)) {
		t.Errorf("%v", err)
	}
	if left := fsx.Temporaries(f.Path); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestModified(t *testing.T) {
	f := In(t.TempDir(), nil)
	if _, err := f.Modified(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing there: %v", err)
	}
	testkit.Must(t, os.WriteFile(f.Path, nil, 0o600))
	want := time.Unix(1_700_000_000, 0)
	testkit.Must(t, os.Chtimes(f.Path, want, want))
	if got, err := f.Modified(); err != nil || !got.Equal(want) {
		t.Errorf("%v, %v", got, err)
	}
}

// F3: the neighbours write in place. What a look meets in the middle of that is no reading,
// however much it looks like tokens, and neither is anything while somebody writes without
// a pause.
func TestReadMeetsAWriter_F3(t *testing.T) {
	testkit.OnWindows(t, "at the moment that this test knows of, nobody else can open the file")
	for name, c := range map[string]struct {
		writes []string // one for each look
		want   Content
	}{
		"cut in its second line": {[]string{"new\nacc", "new\naccess"}, Content{State: Holds, Pair: TokenPair{"new", "access"}}},
		"cut in its first line":  {[]string{"n", "new", "new\naccess"}, Content{State: Holds, Pair: TokenPair{"new", "access"}}},
		"truncated":              {[]string{"old\naccess", "", "new\naccess"}, Content{State: Holds, Pair: TokenPair{"new", "access"}}},
		"without a pause":        {strings.Split("abcdefghijklmnopqrstuvwxyz", ""), Content{State: Empty}},
	} {
		f := In(t.TempDir(), nil)
		write := func(text string) {
			testkit.Must(t, os.WriteFile(f.Path, []byte(text), 0o600))
			testkit.Must(t, disk.Chmod(f.Path, 0o644)) // so that the next reading makes it 0600 again
		}
		write("old\naccess")
		f.Warn = func(string) { // called in the middle of a look
			if len(c.writes) > 0 {
				write(c.writes[0])
				c.writes = c.writes[1:]
			}
		}
		if got := f.Read(); !got.Same(c.want) {
			t.Errorf("%s: %v with %q, want %v with %q", name, got.State, got.Pair.Bytes(), c.want.State, c.want.Pair.Bytes())
		}
	}
}

// F3: readers of the file never see an empty or torn file from our writes,
// whatever moment they look. Real clock: this is about the kernel's.
func TestF3ReadersNeverSeeATornFile(t *testing.T) {
	testkit.InWine(t, "it replaces no file that is open, and readers do not pause here")
	dir := t.TempDir()
	target := filepath.Join(dir, env.TokenFile)
	long := func(i int) TokenPair {
		return TokenPair{fmt.Sprintf("refresh-%06d", i), strings.Repeat("a", 2000) + fmt.Sprintf("%06d", i)}
	}
	f := File{Path: target}
	testkit.Must(t, f.Replace(target, long(0), func() error { return nil }))
	look := func() error {
		data, err := testkit.ReadFile(target)
		p, parseErr := Parse(data)
		if err != nil || parseErr != nil || len(p.Access) != 2006 || p.Access[2000:] != p.Refresh[8:] {
			return fmt.Errorf("a reader saw %d bytes: %v %v", len(data), err, parseErr)
		}
		return nil
	}
	testkit.WhileReading(t, 4, look, func() {
		for i := 1; i <= 100; i++ {
			testkit.Must(t, f.Replace(target, long(i), func() error { return nil }))
		}
	})
}

// TestReplaceLooksLast_F5: who logs in while a login is being written keeps his.
func TestReplaceLooksLast_F5(t *testing.T) {
	target := filepath.Join(t.TempDir(), env.TokenFile)
	errChanged := errors.New("it has changed")
	asked := false
	err := File{Path: target}.Replace(target, TokenPair{Refresh: "ours"}, func() error {
		asked = true
		if left := fsx.Temporaries(target); len(left) != 1 {
			t.Errorf("asked before the new file was on the disk: %v", left)
		}
		return errChanged
	})
	if err != errChanged || !asked || !testkit.Gone(target) || len(fsx.Temporaries(target)) != 0 {
		t.Errorf("replace = %v; it left %v", err, fsx.Temporaries(target))
	}
}

// F2, F6: a link to a token file leads to a folder of ours, or nowhere.
func TestTokenFileByALink_F6(t *testing.T) {
	home, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(elsewhere, "token")
	testkit.Must(t, os.WriteFile(target, []byte("refresh\naccess"), 0o600))
	file := In(home, nil)
	testkit.Symlink(t, target, file.Path)
	for mode, want := range map[fs.FileMode]State{0o755: Holds, 0o777: Unusable, 0o777 | fs.ModeSticky: Unusable} {
		testkit.Must(t, disk.Chmod(elsewhere, mode))
		if r := file.Read(); r.State != want || want == Unusable && !strings.Contains(r.Hint(), strict.Withdraw("go", elsewhere)) {
			t.Errorf("in a folder of mode %v: %v, %v, %q", mode, r.State, r.Err, r.Hint())
		}
	}
}

// F6: below a folder of everybody's nothing is read, and what to do is said.
func TestReadInASwappedHome_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	f := In(home, nil)
	testkit.Must(t, os.WriteFile(f.Path, []byte("refresh\naccess"), 0o600))
	testkit.Must(t, disk.Chmod(above, 0o777))
	got := f.Read()
	if got.State != Unusable || got.Pair != (TokenPair{}) || !strings.HasPrefix(got.Err.Error(), above+" can be written by others") || !strings.HasPrefix(got.Hint(), strict.Withdraw("go", above)) {
		t.Errorf("%v, %q", got, got.Hint())
	}
	if f.Check() == nil {
		t.Error("it may be used")
	}
	if err := In(filepath.Join(t.TempDir(), "none"), nil).Check(); err != nil {
		t.Errorf("no home is no home of others: %v", err)
	}
}
