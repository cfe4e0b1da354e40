package clock

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// longest fits the 32 bits of seconds that the kernel takes from a 32-bit program.
const longest = 1 << 30 * time.Second

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
	rings := make(chan struct{}, 1)
	go func() {
		var expirations [8]byte
		for {
			if _, err := timer.Read(expirations[:]); err != nil {
				return // closed
			}
			ring(rings)
		}
	}()
	set := func(d time.Duration) {
		next := unix.ItimerSpec{Value: unix.NsecToTimespec(min(max(int64(d), 1), int64(longest)))}
		raw.Control(func(fd uintptr) { unix.TimerfdSettime(int(fd), 0, &next, nil) })
	}
	return &Alarm{C: rings, set: set, close: func() { timer.Close() }}, true
}
