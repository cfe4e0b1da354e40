package daemon

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// alarm is a CLOCK_BOOTTIME timer: unlike Go's, it counts the time that the
// machine slept, so a resume refreshes at once (R2).
type alarm struct{ timer *os.File }

// newAlarm calls ring each time the alarm runs out. Where the kernel has no
// such timer there is none, and the minute's look has to do.
func newAlarm(ring func()) *alarm {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	a := &alarm{timer: os.NewFile(uintptr(fd), "alarm")}
	go func() {
		var expirations [8]byte
		for {
			if _, err := a.timer.Read(expirations[:]); err != nil {
				return
			}
			ring()
		}
	}()
	return a
}

func (a *alarm) set(d time.Duration) {
	if a == nil {
		return
	}
	raw, err := a.timer.SyscallConn()
	if err != nil {
		return
	}
	next := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 1))}
	raw.Control(func(fd uintptr) { unix.TimerfdSettime(int(fd), 0, &next, nil) })
}

func (a *alarm) close() {
	if a != nil {
		a.timer.Close()
	}
}
