//go:build unix

package main

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// No line of status is longer than the terminal, or than 80 cells, whatever there is to say; and the
// answer is on the first screen.
func TestStatusFitsTheTerminal(t *testing.T) {
	long := strings.Repeat("long/", 30)
	now := stub(t)
	now.Store(&protocol.Status{
		State: protocol.StateLoggedIn, Home: "/srv/" + long, Socket: "/srv/" + long + "falcred.sock", Issuer: "https://" + strings.Repeat("a", 100) + ".example/",
		Subject: "auth0|" + strings.Repeat("1", 90), Name: "阿达·" + strings.Repeat("洛芙莱斯", 20), Email: strings.Repeat("ada", 30) + "@example.com",
		Team: strings.Repeat("team", 20), TeamID: strings.Repeat("id", 50), LoginSince: time.Now().Add(-16 * 24 * time.Hour), Expires: time.Now().Add(time.Hour),
		Refreshed: time.Now(), NextRefresh: time.Now(), Refreshes: 100000, Clients: 1, Version: strings.Repeat("v1.", 40),
		LastError: "the issuer cannot be reached: " + long, Hint: "chmod go-w /srv/" + long, Warnings: []string{"a warning about " + long + "\nwhat to do about /" + long},
	})
	for _, size := range []pty.Winsize{{Rows: 24, Cols: 80}, {Rows: 15, Cols: 60}, {Rows: 40, Cols: 120}} {
		for _, args := range [][]string{{"status"}, {"whoami"}} {
			text := onTerminal(t, size, args...)
			for _, line := range strings.Split(text, "\r\n") {
				if n := ui.Cells(line); n > min(int(size.Cols), 80) {
					t.Errorf("%v at %dx%d: %d cells: %q", args, size.Cols, size.Rows, n, line)
				}
			}
			if !strings.Contains(strings.Join(strings.Fields(text), " "), "(16 days)") {
				t.Errorf("%v at %dx%d does not say since when:\n%s", args, size.Cols, size.Rows, text)
			}
		}
	}
	now.Store(&protocol.Status{State: protocol.StateLoggedIn, Home: filepath.Dir(os.Getenv("FALCRED_SOCKET")), Name: "ada", Email: "ada@example.com", Subject: "auth0|ada",
		Expires: time.Now().Add(time.Hour), LoginSince: time.Now().Add(-time.Hour), Connections: 1})
	text := onTerminal(t, pty.Winsize{Rows: 15, Cols: 60}, "status")
	for _, want := range []string{"ada (ada@example.com), logged in since", "\x1b[32mall is well", "1 connection open"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the screen:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "\r\n"); n > 15 {
		t.Errorf("%d lines", n)
	}
}

// What doctor, history and a page of help say in sentences is broken between words, by the terminal's width.
func TestPagesFitTheTerminal(t *testing.T) {
	stub(t).Store(&protocol.Status{State: protocol.StateLoggedIn, Warnings: []string{strings.Repeat("a long warning ", 30) + "\nwhat to do"}})
	home := os.Getenv("FAL_HOME_DIR")
	testkit.Must(t, os.WriteFile(filepath.Join(home, "falcred.env"), []byte("FALCRED_ISSUER=http://127.0.0.1:1\n"), 0o600))
	past := events.OpenHistory(home, slog.New(slog.DiscardHandler))
	past.Add(events.Event{Time: time.Now(), Event: events.LoginRequired, Cause: strings.Repeat("a long cause ", 10), Since: time.Now().Add(-time.Hour)})
	past.Close()
	for _, columns := range []int{80, 60, 120} {
		for _, args := range [][]string{{"doctor"}, {"history"}, {"status", "--help"}, {"--help"}} {
			text := onTerminal(t, pty.Winsize{Rows: 24, Cols: uint16(columns)}, args...)
			text, _, _ = strings.Cut(text, "\r\nExamples:")
			widest := 0
			for _, line := range strings.Split(text, "\r\n") {
				n := ui.Cells(line)
				widest = max(widest, n)
				if n > min(columns, 80) && strings.Contains(strings.TrimSpace(line), " ") {
					t.Errorf("%v in %d columns: %d cells: %q", args, columns, n, line)
				}
			}
			if widest < min(columns, 80)-16 {
				t.Errorf("%v in %d columns uses %d:\n%s", args, columns, widest, text)
			}
		}
	}
}

// status --watch writes over itself, never over more than the terminal has, also when that becomes smaller.
func TestStatusWatchHeedsTheTerminal(t *testing.T) {
	now := stub(t)
	now.Store(&protocol.Status{State: protocol.StateLoggedIn, Home: "/h", Subject: "auth0|ada", Expires: time.Now().Add(time.Hour),
		Warnings: []string{strings.Repeat("a long warning ", 30) + "\nwhat to do"}})
	cmd, terminal := startOn(t, pty.Winsize{Rows: 15, Cols: 60}, "status", "--watch")
	defer cmd.Wait()
	defer cmd.Process.Kill()
	defer terminal.Close()
	frames := bufio.NewReader(terminal)
	frame := func() string { // the next one that is whole
		text, err := frames.ReadString('J')
		if err != nil {
			t.Fatalf("%v after %q", err, text)
		}
		_, text, _ = strings.Cut(text, "\x1b[H")
		return strings.TrimSuffix(text, "\x1b[J")
	}
	fits := func(text string, rows, columns int) bool {
		lines := strings.Split(text, "\x1b[K\r\n")
		return len(lines) <= rows && !slices.ContainsFunc(lines, func(line string) bool { return ui.Cells(line) > columns })
	}
	for range 2 {
		if text := frame(); !fits(text, 15, 60) || !strings.Contains(text, "auth0|ada, logged in") {
			t.Fatalf("on 15 rows of 60: %q", text)
		}
	}
	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 8, Cols: 40}); err != nil {
		t.Fatal(err)
	}
	// How many frames were on their way still, nobody knows.
	for resized := time.Now(); !fits(frame(), 8, 40); {
		if time.Since(resized) > testkit.Patience {
			t.Fatal("it does not heed a resize")
		}
	}
}

// onTerminal is what falcred prints on a terminal of that size.
func onTerminal(t *testing.T, size pty.Winsize, args ...string) string {
	t.Helper()
	cmd, terminal := startOn(t, size, args...)
	defer terminal.Close()
	var text bytes.Buffer
	io.Copy(&text, terminal) // EIO when the program has ended
	cmd.Wait()
	const erased = "\r\x1b[K" // what it waited with
	shown := text.String()
	return strings.TrimPrefix(shown[max(0, strings.LastIndex(shown, erased)):], erased)
}

// startOn starts falcred on a terminal of that size.
func startOn(t *testing.T, size pty.Winsize, args ...string) (*exec.Cmd, *os.File) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"falcred"}, args...)
	cmd.Env = []string{"TERM=xterm-256color", "HOME=" + t.TempDir(), "FAL_HOME_DIR=" + os.Getenv("FAL_HOME_DIR"), "FALCRED_SOCKET=" + os.Getenv("FALCRED_SOCKET"), "FAL_CONFIG_PATH="}
	terminal, err := pty.StartWithSize(cmd, &size)
	if err != nil {
		t.Fatal(err)
	}
	return cmd, terminal
}
