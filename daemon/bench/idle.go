//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/falcred/falcred/protocol/env"
)

// idle measures a daemon that has lived, and then has nothing to do.
func idle(l *lab) ([]figure, error) {
	daemon, socket, err := l.falcred(false)
	if err != nil {
		return nil, err
	}
	defer l.end(daemon)
	pid := daemon.Process.Pid
	refreshes, conns, watched := 200, 1000, time.Minute
	if l.short {
		refreshes, conns, watched = 10, 100, 2*time.Second
	}
	for range refreshes {
		if err := l.refreshed(); err != nil {
			return nil, err
		}
	}
	time.Sleep(watched / 4) // what it does after the last one
	woken, err := wakeUps(pid, 2*watched)
	if err != nil {
		return nil, err
	}
	rss, err := memory(pid, "VmRSS")
	if err != nil {
		return nil, err
	}
	anonymous, err := memory(pid, "RssAnon")
	if err != nil {
		return nil, err
	}
	crowded, left, err := connected(pid, socket, conns, 5*watched)
	return []figure{
		atMost(figure{What: fmt.Sprintf("memory after %d refreshes (RSS)", refreshes), Value: rss / 1024, Unit: "MiB"}, 10),
		{What: "of it not pages of the program's file", Value: anonymous / 1024, Unit: "MiB"},
		atMost(figure{What: "times a minute that it wakes at rest", Value: woken / (2 * watched).Minutes()}, 2),
		atMost(figure{What: fmt.Sprintf("memory for each of %d idle connections that have asked", conns), Value: (crowded - rss) / float64(conns), Unit: "KB"}, 12),
		{What: "memory after they have closed, against before", Value: left / 1024, Unit: "MiB", Peer: "before", Than: rss / 1024},
	}, err
}

// refreshed puts a login into the home that is due, and waits for its refresh.
func (l *lab) refreshed() error {
	if err := l.login(due); err != nil {
		return err
	}
	file := filepath.Join(l.home, env.TokenFile)
	given, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return until(func() bool {
		now, err := os.ReadFile(file)
		return err == nil && len(now) > 0 && string(now) != string(given)
	})
}

// connected is the daemon's memory with that many connections, and after them.
func connected(pid int, socket string, many int, watched time.Duration) (with, after float64, err error) {
	conns := make([]net.Conn, many)
	for i := range conns {
		if conns[i], err = net.Dial("unix", socket); err != nil {
			return 0, 0, err
		}
		defer conns[i].Close()
		if _, err = conns[i].Write(getRequest); err != nil {
			return 0, 0, err
		}
		if _, err = conns[i].Read(make([]byte, 4<<10)); err != nil {
			return 0, 0, err
		}
	}
	if with, err = memory(pid, "VmRSS"); err != nil {
		return 0, 0, err
	}
	for _, c := range conns {
		c.Close()
	}
	time.Sleep(watched) // the collector runs every two minutes, and a look at what it has found every minute
	after, err = memory(pid, "VmRSS")
	return with, after, err
}

// memory is a line of proc_pid_status(5), in KB.
func memory(pid int, line string) (float64, error) {
	n, err := procStatus(fmt.Sprintf("/proc/%d/status", pid), line)
	return float64(n), err
}

// wakeUps is how often a process has woken within that time: how many stretches
// of tenths of a second had a thread of it give up the processor.
func wakeUps(pid int, watched time.Duration) (n float64, err error) {
	before, err := switches(pid)
	awake := false
	for begun := time.Now(); err == nil && time.Since(begun) < watched; {
		time.Sleep(100 * time.Millisecond)
		var now int
		if now, err = switches(pid); now != before && !awake {
			n++
		}
		before, awake = now, now != before
	}
	return n, err
}

// switches is how often the threads of a process have given up the processor.
func switches(pid int) (total int, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, task := range tasks {
		n, err := procStatus(task, "voluntary_ctxt_switches")
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, err
}

func procStatus(path, line string) (int, error) {
	text, err := os.ReadFile(path) // #nosec G304 -- under /proc
	if err != nil {
		return 0, err
	}
	m := regexp.MustCompile(`(?m)^` + line + `:\s+(\d+)`).FindSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%s has no %s", path, line)
	}
	return strconv.Atoi(string(m[1]))
}
