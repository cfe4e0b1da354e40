//go:build !linux

package daemon

import "github.com/falcred/falcred/protocol/strict"

// Harden keeps this process's files its own ([strict.OwnerMask]). How to keep its memory its
// own is known for Linux only. On Windows Go's runtime has no dump made of a crash, unless
// GOTRACEBACK is wer; a debugger of the same user can read the memory there, as it can the
// token file (S4).
func Harden() error {
	strict.OwnerMask()
	return nil
}
