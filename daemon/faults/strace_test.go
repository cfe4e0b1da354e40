//go:build linux && system

package faults

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// strace attaches strace to the daemon and waits until it holds every thread.
// The function that it returns detaches it, and waits for its end.
func (s *scene) strace(args ...string) (detach func()) {
	s.Helper()
	cmd := exec.Command("strace", append([]string{"-f", "-p", strconv.Itoa(s.cmd.Process.Pid)}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		s.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.Fatal(err)
	}
	attached, ended := make(chan bool, 1), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(stderr)
		for lines.Scan() {
			if strings.Contains(lines.Text(), " attached") {
				select {
				case attached <- true:
				default: // a thread that came later
				}
			}
		}
	}()
	finish := func() {
		cmd.Process.Signal(syscall.SIGINT) // detaches
		<-ended
		cmd.Wait()
	}
	select {
	case <-attached:
	case <-ended:
		s.Fatal("strace cannot attach: ", cmd.Wait())
	case <-time.After(testkit.Patience):
		finish()
		s.Fatal("strace does not attach")
	}
	return finish
}

// call is a system call in strace's record.
type call struct {
	name, args string
	begun      time.Time
	ended      time.Time
}

var (
	wholeCall = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (\w+)\((.*)\) += .* <([\d.]+)>$`)
	callBegun = regexp.MustCompile(`^(\d+) +(\d+\.\d+) (\w+)\((.*) <unfinished \.\.\.>$`)
	callEnded = regexp.MustCompile(`^(\d+) +(\d+\.\d+) <\.\.\. (\w+) resumed>.* <([\d.]+)>$`)
)

// parseCalls reads what `strace -f -ttt -T -o` has written, in the order in
// which the calls began.
func parseCalls(text string) []call {
	var calls []call
	open := map[string]int{} // by thread
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := wholeCall.FindStringSubmatch(line); m != nil {
			begun := clock(m[2])
			calls = append(calls, call{m[3], m[4], begun, begun.Add(seconds(m[5]))})
		} else if m := callBegun.FindStringSubmatch(line); m != nil {
			open[m[1]] = len(calls)
			calls = append(calls, call{name: m[3], args: m[4], begun: clock(m[2])})
		} else if m := callEnded.FindStringSubmatch(line); m != nil {
			if i, ok := open[m[1]]; ok {
				calls[i].ended = calls[i].begun.Add(seconds(m[4]))
				delete(open, m[1])
			}
		}
	}
	return calls
}

func clock(text string) time.Time { return time.Unix(0, 0).Add(seconds(text)) }

// seconds keeps every digit: a float64 would not.
func seconds(text string) time.Duration {
	d, err := time.ParseDuration(text + "s")
	if err != nil {
		panic(err) // the pattern admits digits and a point only
	}
	return d
}

func (s *scene) tracePath() string { return filepath.Join(s.Base, "trace") }

// failing makes the next daemon start under strace, which makes system calls
// fail, and returns what takes strace away from it.
func (s *scene) failing(args ...string) (end func()) {
	s.Helper()
	table.NeedTool(s.T, s.Name(), "strace")
	s.wrap = append([]string{"strace", "-D", "-I2", "-q", "-f", "-o", s.tracePath()}, args...)
	return func() {
		s.wrap = nil
		tracer := s.tracer()
		if tracer == 0 {
			s.Fatal("strace does not hold the daemon: nothing is tested")
		}
		syscall.Kill(tracer, syscall.SIGINT) // detaches
		s.Eventually("strace lets go", func() bool { return s.tracer() == 0 })
	}
}

// tracer is the process that traces the daemon, 0 if none does.
func (s *scene) tracer() (pid int) {
	s.Helper()
	return s.proc("TracerPid")
}

// proc reads a number of the daemon's /proc/PID/status.
func (s *scene) proc(name string) (n int) {
	s.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	s.Must(err)
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, name+":"); ok {
			n, err = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(text), " kB"))
		}
	}
	s.Must(err)
	return n
}
