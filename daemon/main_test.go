//go:build linux || darwin

package daemon

import (
	"context"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	testkit.PlayRole(roles)
	testkit.Isolate()
	testkit.SideBySide()
	os.Exit(m.Run())
}

var roles = map[string]func() error{
	"daemon":    playDaemon,
	"activated": playActivated,
	"client":    playClient,
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
	return Config{Config: login.Config{Home: home, Issuer: url, ClientID: "test-client", Audience: "fal-cloud",
		Scopes: issuer.FalScopes, Servers: testkit.FalServers()}, Version: "test"}
}

func itoa(n int) string { return strconv.Itoa(n) }
