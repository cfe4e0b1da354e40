//go:build (linux || darwin) && system

package tokenfile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// These tests run beside Debian's portalocker 2.2.1, the lock of the fal SDK and CLI, as
// those use it: real processes, real files, the real clock.

// brief tries the lock as a neighbour that finds it held does.
func brief(home string) (*Lock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	return Acquire(ctx, home)
}

// F1: while nobody waits in the moment of portalocker's unlinking, the two
// exclude each other in both directions, and a waiting neighbour gets the lock
// as soon as falcred is done.
func TestF1PortalockerAndFalcredExcludeEachOther(t *testing.T) {
	testkit.NeedPortalocker(t)
	home := t.TempDir()
	n := testkit.NewNeighbour(t, home, "")
	const rounds = 200
	begun := time.Now()
	for range rounds {
		ours, err := Acquire(t.Context(), home)
		if err != nil {
			t.Fatal(err)
		}
		n.Want("locked", "try")
		fmt.Fprintln(n.In, "try") // and once more, across the end of our hold
		ours.Release()
		if n.Out.Scan(); n.Out.Text() == "locked" {
			n.Want("held", "take")
		}
		if ours, err := brief(home); err == nil {
			ours.Release()
			t.Fatal("falcred got a lock that portalocker holds")
		}
		n.Want("released", "release")
	}
	t.Logf("%d rounds, each direction refused in each of them: %v", rounds, time.Since(begun).Round(time.Millisecond))
}

// F1: everybody at once. flock itself excludes; what portalocker's unlinking
// after the unlock breaks is counted, since nobody can repair it from outside.
func TestF1PortalockerAndFalcredRace(t *testing.T) {
	testkit.NeedPortalocker(t)
	for _, unlinks := range []bool{false, true} {
		name := map[bool]string{false: "keeps the file", true: "unlinks the file"}[unlinks]
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			const neighbours, rounds = 2, 300
			done := make(chan string, neighbours)
			for range neighbours {
				n := testkit.NewNeighbour(t, home, "")
				go func() {
					done <- n.Say("race", fmt.Sprint(rounds), strings.Fields(name)[0]) + ", and crashed " + n.Say("crashes")
				}()
			}
			ours, broken, theirs := 0, 0, []string{}
			for len(theirs) < neighbours {
				select {
				case answer := <-done:
					theirs = append(theirs, answer)
				default:
					ours++
					broken += enter(t, home)
				}
			}
			t.Logf("%d rounds of each of %d portalockers, %d of falcred; how often each met another inside: falcred %d, they %q",
				rounds, neighbours, ours, broken, theirs)
			none := "0, and crashed 0"
			if !unlinks && (broken != 0 || theirs[0] != none || theirs[1] != none) {
				t.Error("flock did not exclude")
			}
			if ours < 10 {
				t.Errorf("falcred starved: %d rounds", ours)
			}
		})
	}
}

// enter is one hold as a refresh has it, and counts somebody else inside.
func enter(t *testing.T, home string) (broken int) {
	h, err := Acquire(t.Context(), home)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if err := h.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(home, "inside")
	file, err := os.OpenFile(inside, os.O_CREATE|os.O_EXCL, 0o600)
	if os.IsExist(err) {
		return 1
	}
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := os.Remove(inside); err != nil {
		t.Fatal(err)
	}
	return 0
}
