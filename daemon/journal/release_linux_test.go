package journal

import (
	"os"
	"syscall"
	"testing"
)

// A program that is being started has every descriptor of ours until its exec (fork(2)): an
// entry that was given back is free all the same.
func TestAStartingProgramHoldsNoEntry_F1(t *testing.T) {
	for name, giveBack := range map[string]func(*Entry){"kept": (*Entry).Keep, "settled": (*Entry).Discard} {
		_, target := newTarget(t)
		e := begin(t, target, "a")
		child, err := syscall.Dup(int(e.file.(*os.File).Fd()))
		if err != nil {
			t.Fatal(err)
		}
		defer syscall.Close(child)
		giveBack(e)
		again, err := Begin(target, "a")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again.Discard()
	}
}
