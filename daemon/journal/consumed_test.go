package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// TestConsumedFile_F5 holds the file's form: 16 bytes a token, appended once each, over
// a torn tail, in the order of the calls.
func TestConsumedFile_F5(t *testing.T) {
	home := newHome(t)
	path := filepath.Join(home, ConsumedName)
	var prints []string
	for _, refresh := range []string{"a", "b", "c"} {
		prints = append(prints, tokenfile.Fingerprint(refresh))
	}
	used := func(refresh string, want bool) {
		t.Helper()
		if got, err := Used(home, refresh); got != want || err != nil {
			t.Fatalf("Used(%s) = %v, %v; want %v", refresh, got, err, want)
		}
	}
	ensure := func(prints ...string) {
		t.Helper()
		testkit.Must(t, ensureConsumed(home, prints))
	}
	used("a", false) // no file yet
	ensure(prints[0], "no fingerprint")
	ensure(prints[0], prints[1])
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	testkit.Must(t, err)
	file.Write([]byte("torn"))
	file.Close()
	used("b", true)
	used("c", false)
	ensure(prints[2])
	used("c", true)
	used("", false)
	want := recordsOf(prints)
	if got, _ := os.ReadFile(path); !bytes.Equal(got, want) {
		t.Errorf("the file holds %x, want %x", got, want)
	}
	if info, _ := disk.Stat(path); fsx.OthersCanRead(info) {
		t.Errorf("its mode is %v", info.Mode())
	}
	os.WriteFile(path, want[:20], 0o600) // cut, as by a backup: what is known comes back
	ensure(prints...)
	for _, refresh := range []string{"a", "b", "c"} {
		used(refresh, true)
	}
}

// TestConsumedForEver_F5: a token is known as used up however many came after it, though
// neither a ledger in memory nor falcred.json has it any more.
func TestConsumedForEver_F5(t *testing.T) {
	home := newHome(t)
	var l Ledger
	refresh := func(i int) string { return "refresh " + string(rune('0'+i)) }
	const rotations = maxConsumed + 2
	for i := range rotations {
		l = l.Consume(refresh(i))
		if i%8 == 0 || i == rotations-1 { // each waits for the disk
			testkit.Must(t, l.Save(home))
		}
	}
	saved, err := Load(home)
	testkit.Must(t, err)
	if l.Consumed(refresh(1)) || saved.Consumed(refresh(rotations-savedConsumed-1)) || !saved.Consumed(refresh(rotations-savedConsumed)) {
		t.Errorf("%d tokens in memory and %d in falcred.json", len(l.Recent), len(saved.Recent))
	}
	for i := range rotations {
		if used, err := Used(home, refresh(i)); !used || err != nil {
			t.Errorf("token %d of %d: %v, %v", i, rotations, used, err)
		}
	}
	if info, _ := disk.Stat(filepath.Join(home, ConsumedName)); info.Size() != rotations*recordSize {
		t.Errorf("%d bytes for %d tokens", info.Size(), rotations)
	}
}

// TestUpgradeOfTheList_F5: the list of an earlier version, which has no such file, is
// taken over by the first save, and stays in falcred.json for that version.
func TestUpgradeOfTheList_F5(t *testing.T) {
	home := newHome(t)
	earlier := Ledger{Issuer: "x", Recent: []string{tokenfile.Fingerprint("used")}}
	testkit.Must(t, earlier.write(home))
	l, err := Load(home)
	testkit.Must(t, err)
	l = l.Step("next", tokenfile.TokenPair{Refresh: "newest"})
	testkit.Must(t, l.Save(home))
	l, err = Load(home)
	testkit.Must(t, err)
	for _, refresh := range []string{"used", "next"} {
		if used, err := Used(home, refresh); !used || err != nil || !l.Consumed(refresh) {
			t.Errorf("%s: used %v, %v; in falcred.json %v", refresh, used, err, l.Consumed(refresh))
		}
	}
}

// TestConsumedFileIsNoLink_F6: nothing is appended or read through a link of its name. A list
// may be at its end, so the link stays; one that leads nowhere is set aside.
func TestConsumedFileIsNoLink_F6(t *testing.T) {
	home := newHome(t)
	path := filepath.Join(home, ConsumedName)
	bashrc := linkTo(t, path)
	theirs := recordsOf([]string{tokenfile.Fingerprint("a")})
	testkit.Must(t, os.WriteFile(bashrc, theirs, 0o600))
	if err := ensureConsumed(home, []string{tokenfile.Fingerprint("b")}); err == nil {
		t.Error("it was written through a link")
	}
	if _, err := Used(home, "a"); err == nil {
		t.Error("it was read through a link")
	}
	if data, _ := os.ReadFile(bashrc); !bytes.Equal(data, theirs) || len(strict.Aside(home)) != 0 {
		t.Errorf("the link's target holds %q; set aside: %v", data, strict.Aside(home))
	}
	testkit.Must(t, os.Remove(bashrc))
	testkit.Must(t, ensureConsumed(home, []string{tokenfile.Fingerprint("b")}))
	if used, err := Used(home, "b"); !used || err != nil || len(strict.Aside(home)) != 1 {
		t.Errorf("used: %v, %v; set aside: %v", used, err, strict.Aside(home))
	}
	if _, err := disk.Lstat(bashrc); err == nil {
		t.Error("the link's target was made")
	}
}

// TestDamagedList_F5_F6: what can name no token makes way for a new list; what is readable, or
// may be again, is never set aside.
func TestDamagedList_F5_F6(t *testing.T) {
	for kind, tt := range map[string]struct {
		damage func(path string) error
		known  bool // what was used up before is still known
	}{
		"a folder":  {func(p string) error { os.Remove(p); return os.MkdirAll(filepath.Join(p, "x"), 0o700) }, false},
		"empty":     {func(p string) error { return os.Truncate(p, 0) }, false},
		"torn":      {func(p string) error { return os.Truncate(p, 2*recordSize-3) }, true},
		"mode 000":  {func(p string) error { return disk.Chmod(p, 0) }, true},
		"mode 0444": {func(p string) error { return disk.Chmod(p, 0o444) }, true},
		"two names": {func(p string) error { return os.Link(p, p+".backup") }, true},
		"NULs": {func(p string) error {
			f, err := os.OpenFile(p, os.O_WRONLY|os.O_APPEND, 0)
			if err == nil {
				_, err = f.Write(make([]byte, 1000))
				f.Close()
			}
			return err
		}, true},
	} {
		home := newHome(t)
		path := filepath.Join(home, ConsumedName)
		testkit.Must(t, ensureConsumed(home, []string{tokenfile.Fingerprint("a"), tokenfile.Fingerprint("b")}))
		testkit.Must(t, tt.damage(path))
		if used, err := Used(home, "a"); used != tt.known || err != nil {
			t.Errorf("%s: used %v, %v", kind, used, err)
		}
		testkit.Must(t, ensureConsumed(home, []string{tokenfile.Fingerprint("c")}))
		if used, err := Used(home, "c"); !used || err != nil {
			t.Errorf("%s: the next is not in it: %v, %v", kind, used, err)
		}
		if aside := len(strict.Aside(home)); aside != 0 && kind != "a folder" || aside != 1 && kind == "a folder" {
			t.Errorf("%s: set aside: %v", kind, strict.Aside(home))
		}
	}
}
