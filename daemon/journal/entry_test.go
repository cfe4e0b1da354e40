package journal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
)

// TestEntryBeforeRequest_R4: before anything is sent, the entry stands on disk with the
// room for an answer, for nobody else's eyes, and by the name that earlier versions know.
func TestEntryBeforeRequest_R4(t *testing.T) {
	_, target := newTarget(t)
	e := begin(t, target, "a")
	path := filepath.Join(filepath.Dir(target), ".falcred-spending-ca978112ca1bbdcafac231b39a23dc4d")
	data, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(data, make([]byte, entrySize)) {
		t.Errorf("the entry has %d bytes, %v", len(data), err)
	}
	if info, _ := disk.Stat(path); fsx.OthersCanRead(info) {
		t.Errorf("its mode is %v", info.Mode())
	}
	if !Exists(target, "a") || Exists(target, "b") || e.resumed || !e.InPlace() {
		t.Errorf("exists %v, b's %v, resumed %v, in place %v", Exists(target, "a"), Exists(target, "b"), e.resumed, e.InPlace())
	}
	if _, ok := e.Answer(knows); ok {
		t.Error("zeros are an answer")
	}
	if got := Others(target, "b"); len(got) != 1 || got[0] != path || len(Others(target, "a")) != 0 {
		t.Errorf("others than b's: %v; than a's: %v", got, Others(target, "a"))
	}
	e.Abandon()
	wantNoEntries(t, target)
}

// TestNoEntryNoRequest_R4: where the answer could not be kept, there is no entry and
// nothing is left.
func TestNoEntryNoRequest_R4(t *testing.T) {
	_, target := newTarget(t)
	if _, err := Begin(filepath.Join(filepath.Dir(target), "gone", "auth0_token"), "a"); err == nil {
		t.Error("an entry in a folder that is not there")
	}
	begin(t, target, "a").Discard()
	wantNoEntries(t, target)
}

// TestDamagedEntry_F6_R4: what stands in an entry's place is set aside, whatever it is, and the
// token counts as one that may have been sent: it is sent again. An answer is kept, whatever
// the file's mode, and nobody else can read it from then on.
func TestDamagedEntry_F6_R4(t *testing.T) {
	answer := tokenfile.TokenPair{Refresh: "next", Access: "access"}
	for kind, damage := range map[string]func(path string) error{
		"a folder":        func(p string) error { os.Remove(p); return os.MkdirAll(filepath.Join(p, "x"), 0o700) },
		"a link":          func(p string) error { os.Remove(p); return testkit.TrySymlink("/etc/passwd", p) },
		"a dangling link": func(p string) error { os.Remove(p); return testkit.TrySymlink("/nonexistent", p) },
		"empty":           func(p string) error { return os.Truncate(p, 0) },
		"cut":             func(p string) error { return os.Truncate(p, 20) },
		"too long":        func(p string) error { return os.WriteFile(p, make([]byte, 2*entrySize), 0o600) },
		"answer, 000":     func(p string) error { return disk.Chmod(p, 0) },
		"answer, 0444":    func(p string) error { return disk.Chmod(p, 0o444) },
		"answer, 0644":    func(p string) error { return disk.Chmod(p, 0o644) },
	} {
		_, target := newTarget(t)
		e := begin(t, target, "a")
		testkit.Must(t, e.Record(answer))
		e.Keep()
		if testkit.NotHere(t, kind, damage(e.path)) || testkit.Wine() && strings.HasSuffix(kind, "44") { // it replaces nothing that is open
			e.Discard()
			continue
		}
		again, err := Begin(target, "a")
		testkit.Must(t, err)
		if got, ok := again.Answer(knows); ok != (kind[:3] == "ans") || ok && got != answer {
			t.Errorf("%s: its answer: %v", kind, ok)
		}
		info, err := disk.Lstat(again.path)
		if err != nil || !again.resumed || fsx.OthersCanRead(info) {
			t.Errorf("%s: resumed %v; %v, %v", kind, again.resumed, info.Mode(), err)
		}
		if others := Others(target, "a"); len(others) != 0 {
			t.Errorf("%s: what was set aside counts as an entry: %v", kind, others)
		}
		testkit.Must(t, again.Record(answer))
		if got, ok := again.Answer(knows); !ok || got != answer {
			t.Errorf("%s: no answer can be recorded", kind)
		}
		again.Discard()
		testkit.Must(t, os.Mkdir(e.path, 0o700)) // what no rotation needs any more
		if _, ok := Clear(e.path, knows); ok || Exists(target, "a") {
			t.Errorf("%s: a folder is left to be an entry", kind)
		}
	}
}

// TestUnfinishedEntry_R4: what a process that died has left says how far it came: nothing
// to go by, torn bytes, or the answer, whether or not it was already trimmed.
func TestUnfinishedEntry_R4(t *testing.T) {
	answer := tokenfile.TokenPair{Refresh: "next", Access: "access"}
	for name, c := range map[string]struct {
		die  func(e *Entry) error
		want bool
	}{
		"before the answer":     {func(*Entry) error { return nil }, false},
		"after the answer":      {func(e *Entry) error { return e.Record(answer) }, true},
		"after it was trimmed":  {func(e *Entry) error { return errors.Join(e.Record(answer), e.Trim(answer)) }, true},
		"the answer is torn":    {func(e *Entry) error { err := e.Record(answer); e.file.WriteAt([]byte("X"), 3); return err }, false},
		"its seal is torn":      {func(e *Entry) error { err := e.Record(answer); e.file.WriteAt([]byte("X"), 20); return err }, false},
		"it was made and empty": {func(e *Entry) error { return e.file.Truncate(0) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			file, target := newTarget(t)
			e := begin(t, target, "parent")
			testkit.Must(t, c.die(e))
			e.Keep()
			if got, ok := Peek(Path(target, "parent"), knows); ok != c.want || ok && got != answer {
				t.Errorf("peek: %v", ok)
			}
			e = begin(t, target, "parent")
			got, ok := e.Answer(knows)
			if !e.resumed || ok != c.want || ok && got != answer {
				t.Errorf("resumed %v, answered %v", e.resumed, ok)
			}
			if !ok { // sent once more
				if data, _ := os.ReadFile(e.path); !bytes.Equal(data, make([]byte, entrySize)) {
					t.Error("there is no room for the answer")
				}
				testkit.Must(t, e.Record(answer))
			}
			testkit.Must(t, e.Trim(answer))
			testkit.Must(t, e.Commit(file, target, answer))
			if c := file.Read(); c.Pair != answer {
				t.Errorf("the token file: state %v, %v", c.State, c.Err)
			}
			wantNoEntries(t, target)
		})
	}
}

// TestAbandon_R4: a try that used nothing up leaves no entry, unless one before it, or a
// lost answer, may have: then it stays, and so does what is in it.
func TestAbandon_R4(t *testing.T) {
	_, target := newTarget(t)
	begin(t, target, "a").Abandon()
	wantNoEntries(t, target)

	e := begin(t, target, "a")
	e.MarkSent()
	e.Abandon()
	if !Exists(target, "a") {
		t.Fatal("a token whose answer was lost has no entry any more")
	}
	e = begin(t, target, "a")
	e.Abandon()
	if !Exists(target, "a") {
		t.Error("the next try, which sent nothing, took the entry away")
	}
	begin(t, target, "a").Discard()
	wantNoEntries(t, target)
}

// TestOneOwner_F1: while an entry is held nobody else gets it, whatever became of
// .portalock, or clears it; peeking is free.
func TestOneOwner_F1(t *testing.T) {
	_, target := newTarget(t)
	e := begin(t, target, "a")
	if _, err := Begin(target, "a"); !errors.Is(err, ErrBusy) {
		t.Errorf("a second owner: %v", err)
	}
	if _, ok := Clear(e.path, knows); ok || !e.InPlace() {
		t.Error("it was cleared under its owner")
	}
	answer := tokenfile.TokenPair{Refresh: "next"}
	testkit.Must(t, e.Record(answer))
	if got, ok := Peek(e.path, knows); !ok || got != answer {
		t.Errorf("peek: %v", ok)
	}
	e.Keep()
	if got, ok := Clear(e.path, knows); !ok || got != answer || Exists(target, "a") {
		t.Errorf("cleared: %v", ok)
	}
	if _, ok := Clear(e.path, knows); ok {
		t.Error("what is not there was cleared")
	}
}

// TestBeginTogether_F1: of many that begin at once one at a time has the entry, and has it
// by its name, though another clears what nobody needs all the while.
func TestBeginTogether_F1(t *testing.T) {
	_, target := newTarget(t)
	var owners, rounds atomic.Int32
	var group, clearing sync.WaitGroup
	ended := make(chan struct{})
	clearing.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
				Clear(Path(target, "a"), knows)
			}
		}
	})
	for range 4 {
		group.Go(func() {
			for done := 0; done < 5; {
				e, err := Begin(target, "a")
				if errors.Is(err, ErrBusy) || errors.Is(err, os.ErrNotExist) { // discarded while we looked
					runtime.Gosched()
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if owners.Add(1) != 1 || !e.InPlace() {
					t.Error("two owners at once")
				}
				rounds.Add(1)
				owners.Add(-1)
				e.Discard()
				done++
			}
		})
	}
	group.Wait()
	close(ended)
	clearing.Wait()
	if got := rounds.Load(); got != 20 {
		t.Errorf("%d rounds, want 20", got)
	}
	wantNoEntries(t, target)
}

// TestEntryInAFolderThatIsAway_F3: an entry knows when its folder was taken away, and
// what came is not committed elsewhere.
func TestEntryInAFolderThatIsAway_F3(t *testing.T) {
	file, target := newTarget(t)
	home := filepath.Dir(target)
	e := begin(t, target, "a")
	answer := tokenfile.TokenPair{Refresh: "next"}
	testkit.Must(t, e.Record(answer))
	testkit.Must(t, e.Trim(answer))
	if err := os.Rename(home, home+".away"); err != nil {
		t.Skip("an open file holds its folder here:", err)
	}
	t.Cleanup(func() { os.RemoveAll(home + ".away") })
	if e.InPlace() {
		t.Error("it is thought to be in place")
	}
	testkit.Must(t, os.Mkdir(home, 0o700))
	if err := e.Commit(file, target, answer); err == nil {
		t.Error("it was committed from nowhere")
	}
	e.Keep()
	if c := file.Read(); c.State != tokenfile.Absent {
		t.Errorf("there is a token file: %v", c.State)
	}
	if got, ok := Peek(filepath.Join(home+".away", filepath.Base(Path(target, "a"))), knows); !ok || got != answer {
		t.Error("the answer is not in the folder that went away")
	}
}

// TestEntryIsNoLink_F6: nothing is made, written or read through a link of its name.
func TestEntryIsNoLink_F6(t *testing.T) {
	for _, there := range []bool{false, true} {
		_, target := newTarget(t)
		path := Path(target, "a")
		elsewhere := linkTo(t, path)
		if there {
			testkit.Must(t, os.WriteFile(elsewhere, []byte("precious"), 0o600))
		}
		if _, ok := Peek(path, knows); ok {
			t.Error("a link was read")
		}
		e, err := Begin(target, "a")
		testkit.Must(t, err)
		testkit.Must(t, e.Record(tokenfile.TokenPair{Refresh: "next"}))
		e.Keep()
		if data, err := os.ReadFile(elsewhere); !there && err == nil || there && string(data) != "precious" {
			t.Errorf("the link's target holds %q, %v", data, err)
		}
	}
}

// TestReadersNeverSeeATornFile_F3: readers of the token file never see an empty or torn
// one from our commits, whatever moment they look.
func TestReadersNeverSeeATornFile_F3(t *testing.T) {
	testkit.InWine(t, "it replaces no file that is open, and readers do not pause here")
	file, target := newTarget(t)
	long := func(i int) tokenfile.TokenPair {
		return tokenfile.TokenPair{Refresh: fmt.Sprintf("refresh-%06d", i), Access: strings.Repeat("a", 2000) + fmt.Sprintf("%06d", i)}
	}
	testkit.Must(t, file.Replace(target, long(0), func() error { return nil }))
	look := func() error {
		data, err := testkit.ReadFile(target)
		p, parseErr := tokenfile.Parse(data)
		if err != nil || parseErr != nil || len(p.Access) != 2006 || p.Access[2000:] != p.Refresh[8:] {
			return fmt.Errorf("a reader saw %d bytes: %v %v", len(data), err, parseErr)
		}
		return nil
	}
	testkit.WhileReading(t, 2, look, func() {
		for i := range 40 {
			e := begin(t, target, long(i).Refresh)
			next := long(i + 1)
			testkit.Must(t, errors.Join(e.Record(next), e.Trim(next), e.Commit(file, target, next)))
		}
	})
}

// TestDeletable: the attempt leaves nothing, and says why a file would stay.
func TestDeletable(t *testing.T) {
	_, target := newTarget(t)
	testkit.Must(t, Deletable(target))
	wantNoEntries(t, target)
	err := Deletable(filepath.Join(filepath.Dir(target), "gone", "auth0_token"))
	if !errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "probe") {
		t.Errorf("in a folder that is not there: %v", err)
	}
	left := filepath.Join(filepath.Dir(target), entryPrefix+"probe-1")
	testkit.Must(t, os.WriteFile(left, nil, 0o600))
	for _, path := range Others(target, "") {
		if _, ok := Clear(path, knows); ok {
			t.Error("what a kill has left is an answer")
		}
	}
	wantNoEntries(t, target)
}

// FuzzEntryAnswer_R4: an entry's content, whatever a crash or a power cut has left: an
// answer is either exactly what was recorded, or none.
func FuzzEntryAnswer_R4(f *testing.F) {
	f.Add("refresh", "access", 3, byte(0))
	f.Add("r", "", 1, byte('x'))
	f.Fuzz(func(t *testing.T, refresh, access string, at int, flip byte) {
		want := tokenfile.TokenPair{Refresh: refresh, Access: access}
		parsed, err := tokenfile.Parse(want.Bytes())
		if err != nil || len(want.Bytes()) > tokenfile.MaxSize || parsed != want {
			return
		}
		_, target := newTarget(t)
		e := begin(t, target, "parent")
		defer e.Discard()
		testkit.Must(t, e.Record(want))
		if got, ok := e.Answer(knows); !ok || got != want {
			t.Fatalf("recorded %q, read %q", want.Bytes(), got.Bytes())
		}
		data := want.Bytes()
		if at < 0 || at >= len(data) || data[at] == flip {
			return
		}
		e.file.WriteAt([]byte{flip}, int64(at)) // torn
		if got, ok := e.Answer(knows); ok && got == want {
			t.Fatal("a torn answer was read as the recorded one")
		} else if ok {
			t.Fatalf("a torn answer was believed: %q", got.Bytes())
		}
	})
}

// knows is a ledger that was saved with the answer of most of these tests.
var knows = Ledger{Tip: tokenfile.Fingerprint("next")}

// TestAnEntryInUseIsNotReplaced_F1: not though others can read it, by a chmod of the whole home
// say: else two send the same token, and the one commits the other's zeros.
func TestAnEntryInUseIsNotReplaced_F1(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the kernel does not say who holds a lock")
	}
	file, target := newTarget(t)
	e := begin(t, target, "a")
	testkit.Must(t, disk.Chmod(e.path, 0o644))
	if other, err := Begin(target, "a"); !errors.Is(err, ErrBusy) {
		if err == nil {
			other.Keep()
		}
		t.Errorf("a second rotation of the same token: %v", err)
	}
	testkit.Must(t, disk.Chmod(e.path, 0o600))
	answer := tokenfile.TokenPair{Refresh: "next", Access: "access"}
	testkit.Must(t, e.Record(answer))
	testkit.Must(t, e.Trim(answer))
	aside := e.path + ".x"
	testkit.Must(t, os.Rename(e.path, aside))
	testkit.Must(t, os.WriteFile(e.path, make([]byte, entrySize), 0o600))
	if e.Commit(file, target, answer) == nil {
		t.Error("another file was put in place")
	}
	testkit.Must(t, os.Rename(aside, e.path))
	testkit.Must(t, e.Commit(file, target, answer))
	if got := file.Read(); got.Pair != answer {
		t.Errorf("the token file: state %v, %v", got.State, got.Err)
	}
}

// TestGarbageIsNoAnswer_F6_R4: what was trimmed has no seal, and what damage leaves looks like
// it. Neither is taken for a login: an answer is known by the ledger, or by its access token.
func TestGarbageIsNoAnswer_F6_R4(t *testing.T) {
	jwt := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"ann"}`)) + ".x"
	for text, want := range map[string]bool{
		"theirs": false, `{"Iss`: false, "one\ntwo": false, strings.Repeat("x", 70<<10): false, "": false,
		"next": true, "next\naccess": true, "nex": false, "other\n" + jwt: true, "other\n" + jwt[:6]: false,
	} {
		_, target := newTarget(t)
		testkit.Must(t, os.WriteFile(Path(target, "a"), []byte(text), 0o600))
		if _, ok := Peek(Path(target, "a"), knows); ok != want {
			t.Errorf("%.20q: %v", text, ok)
		}
	}
}

// R4: a power cut before the fsync of a trim leaves zeros where the seal stood, and one before the
// fsync of the record its beginning. Where the first line is whole, the login goes on with it
// alone; nothing else that has zeros is an answer.
func TestZerosInPlaceOfTheSeal_R4(t *testing.T) {
	line := "refresh-token\n"
	for name, tt := range map[string]struct {
		content string
		size    int
		want    string
	}{
		"the seal":              {line + "access-token", entrySize, "refresh-token"},
		"the second line's end": {line + "acc", entrySize, "refresh-token"},
		"the second line":       {line, entrySize, "refresh-token"},
		"the first line's end":  {"refresh-to", entrySize, ""},
		"all":                   {"", entrySize, ""},
		"of another size":       {line + "access-token", entrySize - 1, ""},
		"not to the end":        {line + "access-token\x00\x00x", entrySize, ""},
	} {
		path := filepath.Join(t.TempDir(), entryPrefix+"x")
		content := make([]byte, tt.size)
		copy(content, tt.content)
		testkit.Must(t, os.WriteFile(path, content, 0o600))
		if got, ok := Peek(path, Ledger{}); got.Refresh != tt.want || got.Access != "" || ok != (tt.want != "") {
			t.Errorf("%s: %q, %v", name, got.Bytes(), ok)
		}
	}
}
