//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package disk

import (
	"os"
	"syscall"
)

func flock(file *os.File) error {
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) // #nosec G115 -- a descriptor is small
		if err != syscall.EINTR {
			return err
		}
	}
}

func funlock(file *os.File) { syscall.Flock(int(file.Fd()), syscall.LOCK_UN) } // #nosec G104 G115 -- closing it does the same
