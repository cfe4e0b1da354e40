//go:build linux && system

package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// bootAlarms are the daemon's timers on CLOCK_BOOTTIME (R2), as descriptors of
// ours: the very same timers. Root may take them.
func (s *scene) bootAlarms() (timers []*os.File) {
	s.Helper()
	process, err := unix.PidfdOpen(s.cmd.Process.Pid, 0)
	s.Must(err)
	defer unix.Close(process)
	folder := fmt.Sprintf("/proc/%d/fdinfo", s.cmd.Process.Pid)
	entries, err := os.ReadDir(folder)
	s.Must(err)
	for _, entry := range entries {
		info, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil || !strings.Contains(string(info), fmt.Sprintf("clockid: %d\n", unix.CLOCK_BOOTTIME)) {
			continue
		}
		var number int
		_, err = fmt.Sscan(entry.Name(), &number)
		s.Must(err)
		fd, err := unix.PidfdGetfd(process, number, 0)
		s.Must(err)
		timer := os.NewFile(uintptr(fd), "alarm")
		s.Cleanup(func() { timer.Close() })
		timers = append(timers, timer)
	}
	if timers == nil {
		s.Fatal("the daemon has no CLOCK_BOOTTIME timer")
	}
	return timers
}

// ring makes the timers run out, as the kernel does after a resume: the daemon
// looks, which otherwise happens once a minute.
func (s *scene) ring(timers []*os.File) {
	s.Helper()
	now := unix.ItimerSpec{Value: unix.Timespec{Nsec: 1}}
	for _, timer := range timers {
		s.Must(unix.TimerfdSettime(int(timer.Fd()), 0, &now, nil))
	}
}
