package events

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/godbus/dbus/v5"
)

// onDesktop runs f on the fake clock, with a desktop whose bus is in the runtime folder.
func onDesktop(t *testing.T, f func(d *testkit.Desktop, open func() *Notifier)) {
	t.Helper()
	run, home := testkit.ShortDir(t), newHome(t)
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	d := testkit.StartDesktop(t, run)
	log := &testkit.LogBuffer{}
	synctest.Test(t, func(t *testing.T) {
		f(d, func() *Notifier { return OpenNotifier(home, true, slog.New(slog.NewTextHandler(log, debugging))) })
	})
	if t.Failed() {
		t.Log(log)
	}
}

func init() { roles["quiet"] = playQuiet }

var debugging = &slog.HandlerOptions{Level: slog.LevelDebug}

func ended(at time.Time) Change {
	return Change{State: protocol.StateLoginRequired, Cause: "canary", Ended: at}
}

var again = Change{State: protocol.StateLoggedIn}

// show has a notifier told of a change, and waits until it is done.
func show(n *Notifier, c Change) {
	n.Add(c)
	n.mu.Lock()
	idle := n.idle
	n.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// tell has a notifier told of changes, each when the one before is done.
func tell(n *Notifier, changes ...Change) {
	for _, c := range changes {
		n.Add(c)
		synctest.Wait()
	}
}

// S12: the end of a login is shown once, whoever is told of it how often, a daemon that has
// been started again too; after a day once more, in the place of the first.
func TestNotifyOnce_S12(t *testing.T) {
	onDesktop(t, func(d *testkit.Desktop, open func() *Notifier) {
		n, end := open(), time.Now()
		tell(n, ended(end))
		if shown := d.Shown(); len(shown) != 1 {
			t.Fatalf("%d were shown", len(shown))
		}
		time.Sleep(time.Hour)
		tell(n, ended(end), ended(end))
		n.Close(t.Context())
		n = open()
		tell(n, ended(end))
		time.Sleep(22 * time.Hour)
		tell(n, ended(end))
		if shown := d.Shown(); len(shown) != 1 {
			t.Errorf("%d were shown within a day", len(shown))
		}
		time.Sleep(time.Hour)
		tell(n, ended(end))
		n.Close(t.Context())
		if shown := d.Shown(); len(shown) != 2 || shown[1][1] != uint32(1) || len(d.Open()) != 1 {
			t.Errorf("after a day: %v, of which %v can be seen", shown, d.Open())
		}
		n = open()
		tell(n, ended(time.Now())) // of a login that came and went while no daemon ran
		n.Close(t.Context())
		if shown := d.Shown(); len(shown) != 3 || len(d.Open()) != 1 {
			t.Errorf("another login's end: %v, of which %v can be seen", shown, d.Open())
		}
	})
}

// S12: a login takes the notification back, by another daemon too, and its end is shown again.
func TestNotificationIsTakenBack_S12(t *testing.T) {
	onDesktop(t, func(d *testkit.Desktop, open func() *Notifier) {
		n := open()
		tell(n, ended(time.Now()), Change{State: protocol.StateUnavailable})
		if open := d.Open(); len(open) != 1 {
			t.Fatalf("%v can be seen", open)
		}
		tell(n, again)
		if open := d.Open(); len(open) != 0 {
			t.Errorf("%v can still be seen", open)
		}
		time.Sleep(time.Hour)
		tell(n, ended(time.Now()))
		n.Close(t.Context())
		n = open()
		defer n.Close(t.Context())
		tell(n, Change{State: Refreshed})
		if shown, open := d.Shown(), d.Open(); len(shown) != 2 || len(open) != 0 {
			t.Errorf("%d were shown, %v can still be seen", len(shown), open)
		}
		calls := d.Calls()
		tell(n, Change{State: Refreshed}, again, Change{State: protocol.StateLoggedOut})
		if d.Calls() != calls {
			t.Error("the bus is asked where nothing is shown")
		}
	})
}

// S12: the number of a notification is one of the program that has shown it: another's is
// neither replaced nor closed.
func TestOthersNotifications_S12(t *testing.T) {
	onDesktop(t, func(d *testkit.Desktop, open func() *Notifier) {
		n, end := open(), time.Now()
		defer n.Close(t.Context())
		tell(n, ended(end))
		d.Restart()
		other := d.Other()
		time.Sleep(24 * time.Hour)
		tell(n, ended(end))
		if open := d.Open(); len(open) != 2 || open[0] != other {
			t.Errorf("%v can be seen", open)
		}
		d.Restart()
		d.Other()
		d.Other()
		tell(n, again)
		if open := d.Open(); len(open) != 2 {
			t.Errorf("%v can be seen", open)
		}
	})
}

// S12: nothing is shown while a login waits, in whatever process, nor twice a minute.
func TestNotifyWaits_S12(t *testing.T) {
	onDesktop(t, func(d *testkit.Desktop, open func() *Notifier) {
		n := open()
		defer n.Close(t.Context())
		first, second := Quiet(n.home), Quiet(n.home)
		tell(n, ended(time.Now()))
		first()
		tell(n, ended(time.Now()))
		if d.Calls() != 0 {
			t.Error("shown while a login waits")
		}
		second()
		tell(n, ended(time.Now()))
		for range 50 {
			tell(n, again, ended(time.Now()))
		}
		if shown := d.Shown(); len(shown) != 1 {
			t.Errorf("%d are shown in a moment", len(shown))
		}
		time.Sleep(notifyPace)
		synctest.Wait()
		if shown, open := d.Shown(), d.Open(); len(shown) != 2 || len(open) != 1 {
			t.Errorf("after a minute: %d, %v", len(shown), open)
		}
	})
}

// S12: a login that waits in another process is known, and one that was killed does not wait.
func TestQuietOfAnotherProcess_S12(t *testing.T) {
	home := newHome(t)
	cmd := testkit.Role("quiet", "FALCRED_TEST_HOME="+home)
	in, err := cmd.StdinPipe()
	testkit.Must(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	testkit.Must(t, err)
	testkit.Start(t, cmd)
	_, err = io.ReadFull(out, make([]byte, 1))
	testkit.Must(t, err)
	if !loginWaits(home) {
		t.Error("a login waits, and nobody knows")
	}
	testkit.Must(t, cmd.Process.Kill())
	testkit.Wait(cmd)
	if loginWaits(home) {
		t.Error("a killed login still waits")
	}
	if left, _ := os.ReadDir(home); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
}

// playQuiet waits as `falcred login` does.
func playQuiet() error {
	defer Quiet(os.Getenv("FALCRED_TEST_HOME"))()
	fmt.Print("!")
	_, err := io.ReadAll(os.Stdin)
	return err
}

// S12: what is shown is fixed: no name, and no word of the issuer's, nor of the home's path.
func TestNotificationIsFixed_S12(t *testing.T) {
	run, home := testkit.ShortDir(t), filepath.Join(newHome(t), "canary")
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	d := testkit.StartDesktop(t, run)
	for usual, want := range map[bool]string{true: noticeText, false: noticeElsewhere} {
		n := OpenNotifier(home, usual, slog.New(slog.DiscardHandler))
		show(n, ended(time.Now()))
		n.Close(t.Context())
		shown := d.Shown()
		got := shown[len(shown)-1]
		if fmt.Sprint(got[0], got[2:5], got[7]) != fmt.Sprint("falcred", []any{"dialog-password", "Log in to fal again", want}, int32(-1)) {
			t.Errorf("shown: %v", got)
		}
		hints := got[6].(map[string]dbus.Variant)
		if hints["urgency"].Value() != byte(1) || hints["category"].Value() != "x-falcred.login" || len(hints) != 2 {
			t.Errorf("hints: %v", hints)
		}
		if strings.Contains(fmt.Sprint(got...), "canary") || strings.ContainsAny(want, "<>&") {
			t.Errorf("shown: %v", got)
		}
		testkit.Must(t, os.Remove(n.remembers))
	}
}

// S12: the bus is the one that the environment names, or else the one of the user's folder; it
// is a Unix socket, and none is started.
func TestBusAddress_S12(t *testing.T) {
	for _, tt := range []struct{ said, folder, want string }{
		{"", "", ""},
		{"", "/run/u", "/run/u/bus"},
		{"unix:path=/a%20b/bus,guid=12", "/run/u", "/a b/bus"},
		{"unix:guid=12,path=/a", "", "/a"},
		{"unix:abstract=/tmp/dbus-1,guid=12", "/run/u", "@/tmp/dbus-1"},
		{"unix:runtime=yes", "/run/u", "/run/u/bus"},
		{"unix:runtime=yes", "", ""},
		{"tcp:host=localhost,port=1;unix:path=/a", "/run/u", "/a"},
		{"unix:path=bus", "/run/u", ""},
		{"unix:path=/a%00b", "/run/u", ""},
		{"unix:path=/a%", "/run/u", ""},
		{"autolaunch:", "/run/u", ""},
		{"unixexec:path=/bin/false", "/run/u", ""},
		{"disabled:", "/run/u", ""},
	} {
		got, err := busAddress(tt.said, tt.folder)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %q, %v; want %q", tt.said, got, err, tt.want)
		}
	}
}

// S12: where there is no bus, or what is no bus, nothing happens, and only who debugs hears of it.
func TestNoDesktop_S12(t *testing.T) {
	run := testkit.ShortDir(t)
	t.Setenv("XDG_RUNTIME_DIR", run)
	bus := filepath.Join(run, "bus")
	for what, put := range map[string]func(t *testing.T) (said string){
		"none":     func(*testing.T) string { return "" },
		"a file":   func(t *testing.T) string { testkit.Must(t, os.WriteFile(bus, nil, 0o600)); return "" },
		"launched": func(*testing.T) string { return "autolaunch:" },
		"not listening": func(t *testing.T) string {
			l, err := net.Listen("unix", bus)
			testkit.Must(t, err)
			l.(*net.UnixListener).SetUnlinkOnClose(false)
			l.Close()
			return ""
		},
		"gone in the middle": func(t *testing.T) string {
			l, err := net.Listen("unix", bus)
			testkit.Must(t, err)
			t.Cleanup(func() { l.Close() })
			go func() {
				for c, err := l.Accept(); err == nil; c, err = l.Accept() {
					c.Close()
				}
			}()
			return ""
		},
	} {
		t.Run(what, func(t *testing.T) {
			os.Remove(bus)
			t.Setenv("DBUS_SESSION_BUS_ADDRESS", put(t))
			log := &bytes.Buffer{}
			n := OpenNotifier(newHome(t), true, slog.New(slog.NewTextHandler(log, debugging)))
			n.Add(ended(time.Now()))
			n.Close(t.Context())
			if text := log.String(); !strings.Contains(text, "level=DEBUG") || strings.Count(text, "\n") != 1 {
				t.Errorf("logged %q", text)
			}
			if _, err := os.Stat(n.remembers); err == nil {
				t.Error("a notification is remembered that nobody saw")
			}
		})
	}
}

// S12, S5: a bus that hangs delays nobody, and is given up after a while, or when the daemon
// ends.
func TestBusHangs_S12(t *testing.T) {
	run := testkit.ShortDir(t)
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	l, err := net.Listen("unix", filepath.Join(run, "bus"))
	testkit.Must(t, err)
	defer l.Close()
	gone := make(chan error, 2)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			_, err := io.ReadAll(c)
			gone <- err
		}
	}()
	n := OpenNotifier(newHome(t), true, slog.New(slog.DiscardHandler))
	n.limit = 50 * time.Millisecond
	show(n, ended(time.Now()))
	testkit.Must(t, <-gone)
	n.Close(t.Context())

	n = OpenNotifier(newHome(t), true, slog.New(slog.DiscardHandler))
	n.limit = time.Hour
	n.Add(ended(time.Now()))
	n.Close(t.Context())
	testkit.Must(t, <-gone)
}

// S12: nothing of it is there where it is not wanted.
func TestNoNotifier_S12(t *testing.T) {
	var n *Notifier
	n.Add(ended(time.Now()))
	n.Close(t.Context())
}

// What is remembered lies in a folder of ours, or is not remembered.
func TestNotificationIsRememberedInAFolderOfOurs(t *testing.T) {
	run := testkit.ShortDir(t)
	t.Setenv("XDG_RUNTIME_DIR", run)
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	d := testkit.StartDesktop(t, run)
	testkit.Must(t, os.Chmod(run, 0o777))
	n, end := OpenNotifier(newHome(t), true, slog.New(slog.DiscardHandler)), time.Now()
	show(n, ended(end))
	show(n, ended(end))
	n.Close(t.Context())
	if shown := d.Shown(); len(shown) != 1 {
		t.Errorf("%d were shown", len(shown))
	}
	if _, err := os.Stat(n.remembers); !os.IsNotExist(err) {
		t.Errorf("remembered: %v", err)
	}
}
