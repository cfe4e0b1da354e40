//go:build linux && system

package attacks

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"golang.org/x/sys/unix"
)

// §4: clients can force at most one refresh per access token, and none within
// five minutes of the last one, however many of them ask however often.
func TestForcedRefreshes(t *testing.T) {
	t.Parallel()
	const clients = 100
	s := newScene(t, idp.Config{})
	s.login(0)
	s.serve()
	s.served()
	begun := time.Now()
	limit := begun.Add(testkit.Long(0, 11*time.Minute))
	var requests atomic.Int64
	var crowd sync.WaitGroup
	for n := range clients {
		crowd.Go(func() {
			for round := 0; round < 40 || time.Now().Before(limit); round++ {
				access, err := s.get()
				if err != nil {
					t.Error(err)
					return
				}
				hostile := []string{
					fmt.Sprintf(`get {"ServerURL":"https://fal.run","Rejected":%q}`, access),
					fmt.Sprintf(`get {"ServerURL":"https://fal.run","MinValid":%d}`, protocol.MaxMinValid),
					fmt.Sprintf(`get {"ServerURL":"https://fal.run","MinValid":99999,"Rejected":%q}`, access),
				}
				if err := s.Ask(hostile[(n+round)%3], nil); err != nil {
					t.Error(err)
					return
				}
				requests.Add(2)
			}
		})
	}
	crowd.Wait()
	allowed := 1 + int(time.Since(begun)/(5*time.Minute))
	got := s.issuer.Stats().Refreshes
	if got < 1 || got > allowed {
		t.Errorf("%d refreshes in %v, §4 allows 1 to %d", got, time.Since(begun), allowed)
	}
	table.Report(t, fmt.Sprintf("Rejected and MinValid in a loop from %d clients", clients),
		fmt.Sprintf("%d requests in %v", requests.Load(), time.Since(begun).Round(time.Second)), fmt.Sprintf("refreshes: %d; §4 allows %d", got, allowed))
}

// §4, S6: crowds of silent, slow, hostile and deaf clients neither delay a
// well-behaved one for ever, nor stop a refresh, nor leave anything behind.
func TestFlood(t *testing.T) {
	const (
		silent, slow  = 5000, 5000
		garbage, deaf = 100, 100
	)
	attack := fmt.Sprintf("%d connections at once: %d silent, %d that never end their request; then 1 MB/s of garbage on each of %d, and %d that read no answer",
		silent+slow, silent, slow, garbage, deaf)
	table.NeedRoot(t, attack) // to count the descriptors of a process that hides them (S4)
	needDescriptors(t, attack, silent+slow+garbage+deaf+500)
	s := newScene(t, idp.Config{})
	s.bin = plainBin // its memory and its speed are figures
	s.login(0)
	s.serve()
	before := s.watched()
	quiet := s.p99(2000)
	idle := s.memory("VmRSS")

	var flood crowd
	for range silent {
		flood.join(s)
	}
	for range slow {
		fmt.Fprint(flood.join(s), "get https://fal")
	}
	s.Eventually("all are let in", func() bool { return s.status().Connections >= silent })
	full := s.memory("VmRSS")
	crowded := s.p99(2000)
	for range deaf {
		flood.ignore(s)
	}
	quieten := s.noise(garbage)
	hostile := s.p99(2000)

	old, err := s.get()
	s.Must(err)
	s.login(2 * time.Hour) // due, in the middle of it
	s.Eventually("a refresh succeeds in the middle of it", func() bool {
		access, err := s.get()
		return err == nil && access != old && s.issuer.Stats().Refreshes > 0
	})
	quieten()
	flood.end()
	s.Eventually("every descriptor is given back", func() bool { return s.descriptors() <= before })
	if lines := strings.Count(s.Logged.String(), "\n"); lines > 20 {
		t.Errorf("the log grew by %d lines", lines)
	}
	table.Report(t, attack, "6000 answers measured, 1 refresh in the middle",
		fmt.Sprintf("refreshed; all descriptors given back; memory %d MiB idle, %d MiB with %d connections, %d MiB at most; a well-behaved client's p99 is %.1f × its quiet %v with the silent and slow, %.1f × with the garbage",
			idle>>10, full>>10, silent+slow, s.memory("VmHWM")>>10, ratio(crowded, quiet), quiet.Round(time.Microsecond), ratio(hostile, quiet)))
	if status := s.end(syscall.SIGTERM); status.ExitStatus() != 0 {
		t.Errorf("it ended with %v", status)
	}
}

// No descriptor is lost over many requests, whatever they are and however
// their connections end.
func TestManyRequests(t *testing.T) {
	t.Parallel()
	const attack = "requests of every kind, on connections that end in every way"
	table.NeedRoot(t, attack) // to count the descriptors
	requests := testkit.Long(40_000, 1_000_000)
	s := newScene(t, idp.Config{})
	s.login(0)
	s.serve()
	before := s.watched()
	kinds := []string{"get https://fal.run", "get https://example.com", "list", "version", "status", "nonsense", "\x00", `get {"ServerURL":1}`, "store {}", ""}
	var done atomic.Int64
	var crowd sync.WaitGroup
	for range 8 {
		crowd.Go(func() {
			for n := done.Add(10); n <= int64(requests); n = done.Add(10) {
				c, err := net.Dial("unix", s.Sock)
				if err != nil {
					t.Error(err)
					return
				}
				fmt.Fprint(c, strings.Join(kinds, "\n")+"\n")
				lines := bufio.NewScanner(c)
				for i := 0; i < len(kinds)-int(n/10)%2 && lines.Scan(); i++ { // every other one leaves early
				}
				c.Close()
			}
		})
	}
	crowd.Wait()
	s.Eventually("every descriptor is given back", func() bool { return s.descriptors() <= before })
	if n := s.status().Clients; n < requests/len(kinds) {
		t.Errorf("only %d gets were counted: nothing is tested", n)
	}
	table.Report(t, attack, fmt.Sprintf("%d requests", requests),
		fmt.Sprintf("%d descriptors before, as many after", before))
}

// crowd is connections that do no good.
type crowd struct {
	mu    sync.Mutex
	conns []net.Conn
	work  sync.WaitGroup
}

// join connects, and waits where the kernel's queue is full.
func (c *crowd) join(s *scene) net.Conn {
	s.Helper()
	var conn net.Conn
	s.Eventually("there is a place in the queue", func() bool {
		var err error
		conn, err = net.Dial("unix", s.Sock)
		return err == nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	return conn
}

// noise starts a process that writes garbage on n connections, and returns when
// there has been a MiB of it on each.
func (s *scene) noise(n int) (end func()) {
	s.Helper()
	cmd := exec.Command(filepath.Join(plainBin, "noise"), s.Sock, strconv.Itoa(n))
	in, err := cmd.StdinPipe()
	s.Must(err)
	out, err := cmd.StdoutPipe()
	s.Must(err)
	s.Must(cmd.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "enough\n" {
		s.Errorf("the garbage has not come: %q, %v", line, err)
	}
	return func() {
		in.Close()
		cmd.Wait()
	}
}

// ignore asks without end and reads no answer.
func (c *crowd) ignore(s *scene) {
	conn := c.join(s)
	c.work.Go(func() { io.Copy(conn, forever("get https://fal.run\n")) })
}

func (c *crowd) end() {
	c.mu.Lock()
	for _, conn := range c.conns {
		conn.Close()
	}
	c.mu.Unlock()
	c.work.Wait()
}

// forever reads as that line again and again.
type forever string

func (f forever) Read(p []byte) (int, error) { return copy(p, f), nil }

// p99 is what a well-behaved client meets that asks n times on one connection. It
// is a process of its own: this one is busy with the attack, and slowed by the
// race detector.
func (s *scene) p99(n int) time.Duration {
	s.Helper()
	out, err := exec.Command(filepath.Join(plainBin, "patient"), s.Sock, strconv.Itoa(n)).Output()
	s.Must(err)
	ns, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	s.Must(err)
	return time.Duration(ns)
}

func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }

func (s *scene) status() (status protocol.Status) {
	s.Helper()
	s.Must(s.Ask("status", &status))
	return status
}

func (s *scene) descriptors() int {
	s.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	s.Must(err)
	return len(entries)
}

// memory is a number of /proc/PID/status, in KiB.
func (s *scene) memory(name string) (kib int) {
	s.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	s.Must(err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err = strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			s.Must(err)
		}
	}
	return kib
}

// needDescriptors: this end has as many of them as the daemon.
func needDescriptors(t *testing.T, attack string, n int) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Max < uint64(n) {
		table.Missing(t, attack, fmt.Sprintf("a hard limit of %d descriptors", n))
	}
}
