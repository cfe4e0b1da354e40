//go:build linux && system

package events

import (
	"bytes"
	"image/png"
	"log/slog"
	"os"
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
