package main

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestNotices has systemd's end of sd_notify(3), and hears a daemon's life.
func TestNotices(t *testing.T) {
	dir := t.TempDir()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", manager.LocalAddr().String())
	t.Setenv("WATCHDOG_USEC", "60000")
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("FAL_HOME_DIR", filepath.Join(dir, "home"))
	t.Setenv("FALCRED_SOCKET", filepath.Join(dir, "s"))
	t.Setenv("FALCRED_ISSUER", "http://127.0.0.1:1")

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- runDaemon(ctx, slog.New(slog.NewTextHandler(io.Discard, nil)), ownService()) }()
	hears := func(want string) {
		t.Helper()
		var all bytes.Buffer
		manager.SetReadDeadline(time.Now().Add(20 * time.Second))
		for line := make([]byte, 4096); ; {
			n, err := manager.Read(line)
			if err != nil {
				t.Fatalf("never %q: %v, only\n%s", want, err, &all)
			}
			if strings.Contains(string(line[:n])+"\n", want) {
				return
			}
			all.Write(append(line[:n:n], '\n'))
		}
	}
	hears("READY=1\nSTATUS=serving on " + filepath.Join(dir, "s") + "\n")
	hears("WATCHDOG=1\nSTATUS=login: logged_out; 0 answered\n")
	hears("WATCHDOG=1\n")
	stop()
	hears("STOPPING=1\n")
	if err := <-done; err != nil {
		t.Error(err)
	}
}
