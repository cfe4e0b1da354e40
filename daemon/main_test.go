package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"github.com/falcred/falcred/protocol"
	"golang.org/x/sys/unix"
)

// Where a process matters the test binary plays one: FALCRED_TEST_ROLE says which.
func TestMain(m *testing.M) {
	role := os.Getenv("FALCRED_TEST_ROLE")
	if role == "" {
		// The tests say where the socket is; the caller's environment does not.
		for _, name := range []string{"FALCRED_SOCKET", "FAL_KEY", "LISTEN_PID", "LISTEN_FDS"} {
			os.Unsetenv(name)
		}
		os.Exit(m.Run())
	}
	if err := roles[role](); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

var roles = map[string]func() error{
	"daemon":    playDaemon,
	"activated": playActivated,
	"readonly":  playReadOnly,
	"starved":   playStarved,
	"hardened":  playHardened,
	"client":    playClient,
}

// play prepares a process of that role; env adds to its environment.
func play(role string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append([]string{"FALCRED_TEST_ROLE=" + role}, env...)...)
	return cmd
}

func playDaemon() error {
	if err := Harden(); err != nil {
		return err
	}
	if n, err := strconv.ParseUint(os.Getenv("FALCRED_TEST_NOFILE"), 10, 32); err == nil {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return Run(ctx, testConfig(os.Getenv("FALCRED_TEST_HOME"), os.Getenv("FALCRED_TEST_ISSUER")),
		slog.New(slog.NewTextHandler(os.Stderr, nil)))
}

// playActivated is what systemd does between fork and exec.
func playActivated() error {
	os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	os.Setenv("LISTEN_FDS", "1")
	return playDaemon()
}

// playReadOnly sees its home on a filesystem that cannot be written.
func playReadOnly() error {
	home := os.Getenv("FALCRED_TEST_HOME")
	for _, m := range []struct {
		source, target string
		flags          uintptr
	}{
		{"none", "/", unix.MS_REC | unix.MS_PRIVATE},
		{home, home, unix.MS_BIND},
		{home, home, unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY},
	} {
		if err := unix.Mount(m.source, m.target, "", m.flags, ""); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
	}
	return playDaemon()
}

// playStarved takes every descriptor once it serves, says so, and gives them
// back when its standard input has a byte.
func playStarved() error {
	go func() {
		var one [1]byte
		os.Stdin.Read(one[:])
		var taken []*os.File
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				break
			}
			taken = append(taken, f)
		}
		fmt.Println("starved")
		os.Stdin.Read(one[:])
		for _, f := range taken {
			f.Close()
		}
	}()
	return playDaemon()
}

func playHardened() error {
	if err := Harden(); err != nil {
		return err
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	core := unix.Rlimit{Cur: 1, Max: 1}
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	fmt.Printf("dumpable %d, core %d %d", dumpable, core.Cur, core.Max)
	return nil
}

// playClient asks once and prints what it is told.
func playClient() error {
	c, err := net.Dial("unix", os.Getenv("FALCRED_TEST_SOCKET"))
	if err != nil {
		return err
	}
	io.WriteString(c, "get "+protocol.DefaultServer+"\n")
	c.(*net.UnixConn).CloseWrite()
	// A reset may follow the line: the request was never read.
	answer, _ := io.ReadAll(c)
	_, err = os.Stdout.Write(answer)
	return err
}

func testConfig(home, issuer string) Config {
	servers, err := protocol.NewServers(func(string) string { return "" })
	if err != nil {
		panic(err)
	}
	return Config{Home: home, Issuer: issuer, ClientID: "test-client", Audience: "fal-cloud",
		Scopes: FalScopes, Servers: servers, Version: "test"}
}
