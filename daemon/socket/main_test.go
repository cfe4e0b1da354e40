//go:build linux || darwin || windows

package socket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

func TestMain(m *testing.M) {
	testkit.PlayRole(roles)
	testkit.Isolate()
	os.Exit(m.Run())
}

var roles = map[string]func() error{
	"daemon":    playDaemon,
	"activated": playActivated,
	"heir":      playHeir,
}

// playHeir takes over a socket that it was started with, says so, and has it until nobody wants it.
func playHeir() error {
	s, err := Handed([2]*os.File{os.NewFile(3, "listener"), os.NewFile(4, "lock")})
	if err == nil {
		err = s.Own()
	}
	if err != nil {
		return err
	}
	fmt.Println("it is mine")
	io.Copy(io.Discard, os.Stdin)
	return nil
}

// playDaemon has a socket until SIGTERM, or until it is asked to stop by somebody whom
// it understands: FALCRED_TEST_REFUSES is the code that it answers otherwise. It prints
// its path, and its warnings.
func playDaemon() error {
	ctx, end := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer end()
	inherited, err := Inherited()
	if err != nil {
		return err
	}
	s, err := Open(ctx, Options{Path: os.Getenv("FALCRED_TEST_SOCKET"), Inherited: inherited})
	if err != nil {
		return err
	}
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if _, ok := os.LookupEnv(name); ok {
			return errors.New(name + " is left to the children")
		}
	}
	fmt.Println(strings.ReplaceAll(strings.Join(append([]string{s.Path()}, s.Warnings()...), "; "), "\n", ": ")) // one line
	go func() {
		for {
			c, err := s.Listener().AcceptUnix()
			if err != nil {
				return
			}
			line, _ := protocol.NewReader(c).ReadLine()
			var refusal error
			if code := os.Getenv("FALCRED_TEST_REFUSES"); code != "" {
				refusal = protocol.Errorf(protocol.Code(code), "no")
			}
			answer, _ := protocol.AppendAnswer(nil, refusal)
			c.Write(answer)
			if line == protocol.VerbStop && refusal == nil {
				fmt.Println("asked to stop by", PeerPID(c))
				end()
				return // it hangs up when it has ended
			}
			c.Close()
		}
	}()
	<-ctx.Done()
	s.Close()
	return nil
}

// playActivated is what systemd does between fork and exec.
func playActivated() error {
	os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	if os.Getenv("LISTEN_FDS") == "" {
		os.Setenv("LISTEN_FDS", "1")
	}
	os.Setenv("LISTEN_FDNAMES", "falcred.socket")
	return playDaemon()
}

// play prepares a process of that role; env adds to its environment.
func play(role, path string, env ...string) *exec.Cmd {
	return testkit.Role(role, append([]string{"FALCRED_TEST_SOCKET=" + path}, env...)...)
}

// process is one that runs, and that ends with the test.
type process struct {
	*testing.T
	*exec.Cmd
	out   *bufio.Reader
	stuck *time.Timer // kills it when it should have ended by itself
}

func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	testkit.Start(t, cmd)
	stuck := time.AfterFunc(testkit.Patience, func() { cmd.Process.Kill() })
	t.Cleanup(func() { stuck.Stop() })
	return &process{t, cmd, bufio.NewReader(out), stuck}
}

// line is the next that it prints.
func (p *process) line() string {
	p.Helper()
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.Fatalf("it prints %q: %v", line, err)
	}
	return strings.TrimSpace(line)
}

// ends wants it to end in order, and returns what else it has printed.
func (p *process) ends() string {
	p.Helper()
	rest, _ := io.ReadAll(p.out)
	if err := p.Wait(); err != nil {
		p.Errorf("it did not end in order: %v\n%s", err, rest)
	}
	return string(rest)
}

// listen makes a socket that is none of falcred's.
func listen(t *testing.T, path string) *Listener {
	t.Helper()
	listener, err := testkit.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

// stale leaves a socket that nobody serves.
func stale(t *testing.T, path string) {
	t.Helper()
	listen(t, path).Close()
	if testkit.Gone(path) {
		t.Fatal("no stale socket")
	}
}

// open wants a socket there.
func open(t *testing.T, o Options) *Socket {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// refused wants none, and that text.
func refused(t *testing.T, o Options, want string) {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err == nil {
		s.Close()
		t.Fatal("a socket was made there")
	}
	testkit.WantText(t, err.Error(), want)
}

// reachable wants somebody to listen there.
func reachable(t *testing.T, path string) {
	t.Helper()
	c, err := testkit.Dial(path)
	if err != nil {
		t.Fatalf("nobody can reach it: %v", err)
	}
	c.Close()
}

func in(t *testing.T) string { return filepath.Join(testkit.ShortDir(t), "falcred.sock") }

func itoa(n int) string { return strconv.Itoa(n) }
