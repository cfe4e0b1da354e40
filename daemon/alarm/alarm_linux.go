package alarm

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func boot() (*Alarm, bool) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, false
	}
	timer := os.NewFile(uintptr(fd), "alarm")
	raw, err := timer.SyscallConn()
	if err != nil {
		timer.Close()
		return nil, false
	}
	rings := make(chan time.Time, 1)
	go func() {
		var expirations [8]byte
		for {
			if _, err := timer.Read(expirations[:]); err != nil {
				return // closed
			}
			select {
			case rings <- time.Now():
			default:
			}
		}
	}()
	set := func(d time.Duration) {
		next := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 1))}
		raw.Control(func(fd uintptr) { unix.TimerfdSettime(int(fd), 0, &next, nil) })
	}
	return &Alarm{C: rings, set: set, close: func() { timer.Close() }}, true
}
