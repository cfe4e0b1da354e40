//go:build linux && system

package events

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// S12: a real desktop shows one notification, whoever tells it how often, and takes it back.
func TestNotifyOnAScreen_S12(t *testing.T) {
	path := os.Getenv(testkit.PictureVariable)
	run := testkit.ShortDir(t)
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	screen := testkit.StartScreen(t, run)
	home, log := newHome(t), slog.New(slog.NewTextHandler(t.Output(), debugging))
	for _, usual := range []bool{false, true} {
		n := OpenNotifier(home, usual, log)
		show(n, ended(time.Now()))
		n.Close(t.Context())
		screen.Shows(1)
	}
	if path != "" {
		var data bytes.Buffer
		testkit.Must(t, png.Encode(&data, screen.Picture()))
		testkit.Must(t, os.WriteFile(path, data.Bytes(), 0o600))
	}
	n := OpenNotifier(home, true, log)
	show(n, Change{State: protocol.StateLoggedIn})
	n.Close(t.Context())
	screen.Shows(0)
}

func init() { roles["bus"] = playBus }

// S12: another user's socket is not connected to.
func TestAnothersBus_S12(t *testing.T) {
	testkit.NeedRoot(t)
	run := testkit.ShortDir(t)
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	l, err := net.Listen("unix", filepath.Join(run, "bus"))
	testkit.Must(t, err)
	defer l.Close()
	testkit.Must(t, os.Chown(filepath.Join(run, "bus"), 12345, 12345))
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience/4)
	defer cancel()
	if _, err := dialBus(ctx); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("dialled: %v", err)
	}
	l.(*net.UnixListener).SetDeadline(time.Now().Add(10 * time.Millisecond))
	if c, err := l.Accept(); err == nil {
		c.Close()
		t.Error("it was connected to")
	}
}

// S12: a socket of ours behind which another user's process stands is not asked either.
func TestBusOfAnotherProcess_S12(t *testing.T) {
	testkit.NeedRoot(t)
	run := testkit.ShortDir(t)
	testkit.Must(t, os.Chmod(run, 0o777))
	cmd := testkit.As(12345, testkit.CopyBinary(t), testkit.Role("bus", "FALCRED_TEST_BUS="+filepath.Join(run, "bus")))
	out, err := cmd.StdoutPipe()
	testkit.Must(t, err)
	testkit.Start(t, cmd)
	_, err = io.ReadFull(out, make([]byte, 1))
	testkit.Must(t, err)
	testkit.Must(t, os.Chown(filepath.Join(run, "bus"), 0, 0))
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path="+filepath.Join(run, "bus"))
	ctx, cancel := context.WithTimeout(t.Context(), testkit.Patience/4)
	defer cancel()
	if _, err := dialBus(ctx); err == nil || !strings.Contains(err.Error(), "is of the user 12345") {
		t.Errorf("dialled: %v", err)
	}
	if rest, err := io.ReadAll(out); len(rest) > 0 || err != nil {
		t.Errorf("it was sent %q, %v", rest, err)
	}
}

// playBus prints all that it is sent on its first connection.
func playBus() error {
	l, err := net.Listen("unix", os.Getenv("FALCRED_TEST_BUS"))
	if err != nil {
		return err
	}
	fmt.Print("!")
	c, err := l.Accept()
	if err == nil {
		_, err = io.Copy(os.Stdout, c)
	}
	return err
}
