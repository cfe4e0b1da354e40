package fsx

import (
	"sync/atomic"

	"github.com/falcred/falcred/protocol/disk"
)

var syncs atomic.Int64

// Sync brings what was written to an open file to the disk: its Sync, counted.
func Sync(file disk.File) error {
	syncs.Add(1)
	return file.Sync()
}

// Syncs is how many times this process has waited for a disk, by [Sync] and by all that
// writes here. That is most of the time that a rotation takes beside the issuer's, so
// tests hold its number.
func Syncs() int64 { return syncs.Load() }
