//go:build linux && system

package main

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// A watchdog is told of a daemon that answers, whatever it says, and of no other: systemd ends
// one that hangs.
func TestAHangingDaemonFeedsNoWatchdog(t *testing.T) {
	dir := t.TempDir()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", manager.LocalAddr().String())
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	newNotices().ask(t.Context(), l.Addr().String(), time.Minute)
	manager.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	heard := make([]byte, 4096)
	if n, err := manager.Read(heard); err == nil {
		t.Errorf("the manager hears %q", heard[:n])
	}
}
