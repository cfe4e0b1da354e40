//go:build linux || darwin

package testkit

import (
	"os"
	"syscall"
)

// Order is how a version of portalocker opens, locks and unlinks the file of a
// TemporaryFileLock, which is the lock of fal's SDK and CLI. They were read in its source: one
// of Debian's is to be had as a package only.
type Order string

// The orders. fal wants 2.7 or later, and less than 3; fal_client takes what it finds.
const (
	UnlinksAfter Order = "portalocker 2"  // 2.2.1 to 3.2.0: unlinks when it has unlocked, and what it does not hold, too
	UnlinksHeld  Order = "portalocker 4"  // 4.0.0 and 4.1.0: looks whether it has locked what the path names, and unlinks while it holds that
	NoLock       Order = "no portalocker" // fal_client does not depend on it
)

// Portalocker is a TemporaryFileLock of that order. It is for one goroutine.
type Portalocker struct {
	Path  string
	Order Order
	file  *os.File
	held  bool
}

// Try is one try of acquire, which makes one each 250 ms for 20 s: with the descriptor of the
// first.
func (p *Portalocker) Try() (held bool, err error) {
	if p.Order == NoLock {
		return true, nil
	}
	for !p.held {
		if p.file == nil {
			if p.file, err = os.OpenFile(p.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
				return false, err
			}
		}
		if syscall.Flock(int(p.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			return false, nil
		}
		if p.held = p.Order != UnlinksHeld || p.Named(); !p.held {
			p.close()
		}
	}
	return true, nil
}

// Named says whether the path names the file that it has open.
func (p *Portalocker) Named() bool {
	mine, err := p.file.Stat()
	named, err2 := os.Stat(p.Path)
	return err == nil && err2 == nil && os.SameFile(mine, named)
}

// Release is what a program does after use, and, where it still has the object, when it ends:
// after a wait in vain, too.
func (p *Portalocker) Release() {
	switch {
	case p.Order == UnlinksHeld && p.held:
		os.Remove(p.Path)
		p.close()
	case p.Order == UnlinksHeld:
		p.close()
	case p.Order == UnlinksAfter:
		p.close()
		os.Remove(p.Path)
	}
}

func (p *Portalocker) close() {
	if p.file != nil {
		p.file.Close() // which unlocks
	}
	p.file, p.held = nil, false
}
