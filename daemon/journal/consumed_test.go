package journal

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
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
	if info, _ := os.Stat(path); fsx.OthersCanRead(info) {
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
		t.Errorf("%d tokens in memory and %d in falcred.json", len(l.Spent), len(saved.Spent))
	}
	for i := range rotations {
		if used, err := Used(home, refresh(i)); !used || err != nil {
			t.Errorf("token %d of %d: %v, %v", i, rotations, used, err)
		}
	}
	if info, _ := os.Stat(filepath.Join(home, ConsumedName)); info.Size() != rotations*recordSize {
		t.Errorf("%d bytes for %d tokens", info.Size(), rotations)
	}
}

// TestUpgradeOfTheList_F5: the list of an earlier version, which has no such file, is
// taken over by the first save, and stays in falcred.json for that version.
func TestUpgradeOfTheList_F5(t *testing.T) {
	home := newHome(t)
	earlier := Ledger{Issuer: "x", Spent: []string{tokenfile.Fingerprint("used")}}
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

// TestConsumedFileIsNoLink_F6: nothing is appended or read through a link of its name.
func TestConsumedFileIsNoLink_F6(t *testing.T) {
	home := newHome(t)
	bashrc := linkTo(t, filepath.Join(home, ConsumedName))
	if err := ensureConsumed(home, []string{tokenfile.Fingerprint("a")}); err == nil {
		t.Error("it was written through a link")
	}
	if _, err := os.Lstat(bashrc); err == nil {
		t.Error("the link's target was made")
	}
	os.WriteFile(bashrc, recordsOf([]string{tokenfile.Fingerprint("a")}), 0o600)
	if _, err := Used(home, "a"); err == nil {
		t.Error("it was read through a link")
	}
}
