package journal

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// TestOneRotation_R4 goes through a whole rotation and counts how often each step waits for
// the disk: seven times in all, and where something has to be there before what follows,
// once more.
func TestOneRotation_R4(t *testing.T) {
	file, target := newTarget(t)
	home := filepath.Dir(target)
	dated := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"iat":1700000000}`)) + ".c2ln"
	pairs := []tokenfile.TokenPair{{Refresh: "a"}, {Refresh: "b", Access: dated}, {Refresh: "c", Access: dated}, {Refresh: "d", Access: "opaque"}, {Refresh: "e", Access: dated}, {Refresh: "f", Access: dated}}
	testkit.Must(t, file.Replace(target, pairs[0], func() error { return nil }))
	var ledger Ledger
	for i, c := range []struct {
		name   string
		before func()
		wrong  bool
		save   int64 // fsyncs
	}{
		{name: "the first in a home", save: 4}, // each file's first appearance, too
		{name: "any other", save: 2},
		{name: "an access token that cannot be read", save: 3},
		{name: "an ID token is wrong", save: 3, wrong: true},
		{name: "after somebody deleted falcred.json", save: 3, before: func() { testkit.Must(t, os.Remove(filepath.Join(home, LedgerName))) }},
	} {
		if c.before != nil {
			c.before()
		}
		from, to := pairs[i], pairs[i+1]
		var e *Entry
		for _, step := range []struct {
			name   string
			do     func() error
			fsyncs int64
		}{
			{"Begin", func() (err error) { e, err = Begin(target, from.Refresh); return err }, 2},
			{"Record", func() error { return e.Record(to) }, 1},
			{"Save", func() error {
				ledger = ledger.Step(from.Refresh, to)
				if c.wrong {
					ledger = ledger.Distrust(to)
				}
				return ledger.Save(home)
			}, c.save},
			{"Trim", func() error { return e.Trim(to) }, 1},
			{"Commit", func() error { return e.Commit(file, target, to) }, 1},
		} {
			before := fsx.Syncs()
			testkit.Must(t, step.do())
			if n := fsx.Syncs() - before; n != step.fsyncs {
				t.Errorf("%s: %s waits %d times for the disk, want %d", c.name, step.name, n, step.fsyncs)
			}
		}
		if read := file.Read(); read.Pair != to {
			t.Errorf("%s: the token file: state %v, %v", c.name, read.State, read.Err)
		}
		if used, err := Used(home, from.Refresh); !used || err != nil {
			t.Errorf("%s: the token is not known as used up: %v", c.name, err)
		}
		if l, err := Load(home); err != nil || !l.IsTip(to.Refresh) || !l.Consumed(from.Refresh) {
			t.Errorf("%s: falcred.json has %+v, %v", c.name, l, err)
		}
		wantNoEntries(t, target)
	}
	before := fsx.Syncs()
	testkit.Must(t, ledger.Without("nothing").Save(home)) // a team was resolved, say
	if n := fsx.Syncs() - before; n != 2 {                // who wrote the records that are there may have died before his
		t.Errorf("to save what names no new token waits %d times for the disk", n)
	}
}
