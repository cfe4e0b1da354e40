//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package disk

import (
	"os"
	"syscall"
)

func flock(file File) error {
	fd := int(file.(*os.File).Fd()) // #nosec G115 -- a descriptor is small
	for {
		err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EINTR {
			return err
		}
	}
}

func funlock(file File) { syscall.Flock(int(file.(*os.File).Fd()), syscall.LOCK_UN) } // #nosec G104 G115 -- closing it does the same
