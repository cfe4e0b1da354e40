//go:build !linux

package daemon

import "github.com/falcred/falcred/protocol/strict"

// Harden keeps this process's files its own ([strict.OwnerMask]). How to keep its memory its
// own is known for Linux only.
func Harden() error {
	strict.OwnerMask()
	return nil
}
