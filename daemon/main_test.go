//go:build linux || darwin

package daemon

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	falenv "github.com/falcred/falcred/protocol/env"
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
		testkit.Umask()
		// Those that may run side by side wait more than they work.
		flag.Parse()
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
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
	if n := os.Getenv("FALCRED_TEST_NOFILE"); n != "" {
		if err := limitDescriptors(n); err != nil {
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

func limitDescriptors(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return err
	}
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n})
}

func testConfig(home, url string) Config {
	servers, err := falenv.NewServers(func(string) string { return "" })
	if err != nil {
		panic(err)
	}
	return Config{Config: login.Config{Home: home, Issuer: url, ClientID: "test-client", Audience: "fal-cloud",
		Scopes: issuer.FalScopes, Servers: servers}, Version: "test"}
}

func itoa(n int) string { return strconv.Itoa(n) }

func mustContain(t *testing.T, text, want string) {
	t.Helper()
	if !strings.Contains(text, want) {
		t.Errorf("%q does not say %q", text, want)
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
