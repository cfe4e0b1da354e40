package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// newHome is a folder that is ours alone, whatever the umask (F6).
func newHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	testkit.Must(t, disk.Chmod(home, 0o700))
	return home
}

// Each event is a line, in the order in which they came, for nobody else's eyes.
func TestHistory(t *testing.T) {
	home := newHome(t)
	path := filepath.Join(home, HistoryName)
	if list, err := Read(home); len(list) != 0 || err != nil {
		t.Errorf("before anything happened: %v, %v", list, err)
	}
	testkit.Must(t, os.WriteFile(path, nil, 0o600))
	testkit.Must(t, disk.Chmod(path, 0o644)) // as an editor may leave it
	want := []string{Started, LoggedIn, Refreshed, Stopped}
	for _, half := range [][]string{want[:2], want[2:]} { // two daemons of a home, one after the other
		h := OpenHistory(home, slog.New(slog.DiscardHandler))
		for _, event := range half {
			h.Add(Event{Time: time.Now(), Event: event, Subject: "ann", PID: os.Getpid()})
		}
		h.Close()
	}
	list, err := Read(home)
	testkit.Must(t, err)
	var got []string
	for _, e := range list {
		got = append(got, e.Event)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the history says %v, want %v", got, want)
	}
	if info, _ := disk.Stat(path); fsx.OthersCanRead(info) {
		t.Errorf("its mode is %v", info.Mode())
	}
}

// A login that ended may be an `rm -r` of the home, which a new file would stop.
func TestHistoryDoesNotBringAHomeBack(t *testing.T) {
	home := newHome(t)
	log := &bytes.Buffer{}
	h := OpenHistory(home, slog.New(slog.NewTextHandler(log, nil)))
	h.Add(Event{Event: Vanished})
	h.Add(Event{Event: LoggedOut})
	h.Close()
	if left, _ := os.ReadDir(home); len(left) != 0 || log.Len() != 0 {
		t.Errorf("made %v, and logged %q", left, log)
	}
}

// The history is bounded, and what a crash has cut does not hide the rest.
func TestHistoryIsBounded(t *testing.T) {
	home := newHome(t)
	h := &History{path: filepath.Join(home, HistoryName), log: slog.New(slog.DiscardHandler)}
	for i := range 4000 {
		testkit.Must(t, h.append(Event{Time: time.Now(), Event: Refreshed, Cause: fmt.Sprintf("%d %s", i, strings.Repeat("x", 100))}))
	}
	info, err := disk.Stat(h.path)
	if err != nil || info.Size() > maxHistory+1024 {
		t.Fatalf("%d bytes, %v", info.Size(), err)
	}
	file, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND, 0)
	testkit.Must(t, err)
	file.WriteString(`{"Event":"refr`)
	file.Close()
	events, err := Read(home)
	if err != nil || len(events) < 300 || !strings.HasPrefix(events[len(events)-1].Cause, "3999 ") {
		t.Errorf("%d events, %v", len(events), err)
	}
}

// A line that a full disk has cut takes no other with it.
func TestHistoryAfterACutLine(t *testing.T) {
	home := newHome(t)
	h := &History{path: filepath.Join(home, HistoryName), log: slog.New(slog.DiscardHandler)}
	testkit.Must(t, os.WriteFile(h.path, []byte(`{"Time":"2026-01-01T00:00:00Z","Event":"refr`), 0o600))
	for _, event := range []string{Rejected, LoggedOut} {
		testkit.Must(t, h.append(Event{Event: event}))
	}
	if events, _ := Read(home); len(events) != 2 {
		t.Errorf("%d of 2 whole events can be read", len(events))
	}
}

// F6: what stands in the history's place is set aside, and what a link leads to is left alone.
func TestDamagedHistory_F6(t *testing.T) {
	for kind, put := range map[string]func(path, other string) error{
		"a link":          func(p, other string) error { return testkit.TrySymlink(other, p) },
		"a dangling link": func(p, other string) error { return testkit.TrySymlink(other+".none", p) },
		"a folder":        func(p, _ string) error { return os.MkdirAll(filepath.Join(p, "x"), 0o700) },
		"a FIFO":          func(p, _ string) error { return testkit.Mkfifo(p) },
		"mode 000":        func(p, _ string) error { return errors.Join(os.WriteFile(p, nil, 0o600), disk.Chmod(p, 0)) },
		"mode 0444":       func(p, _ string) error { return os.WriteFile(p, nil, 0o444) },
		"NULs":            func(p, _ string) error { return os.WriteFile(p, make([]byte, 70<<10), 0o600) },
		"cut":             func(p, _ string) error { return os.WriteFile(p, []byte(`{"Time":`), 0o600) },
		"another type":    func(p, _ string) error { return os.WriteFile(p, []byte("[1]\n5\n{\"Event\":7}\n"), 0o600) },
	} {
		t.Run(kind, func(t *testing.T) {
			home, other := newHome(t), filepath.Join(t.TempDir(), "bashrc")
			testkit.Must(t, os.WriteFile(other, []byte("theirs"), 0o600))
			if err := put(filepath.Join(home, HistoryName), other); err != nil {
				testkit.OnWindows(t, "not to be had: "+err.Error())
				t.Skip("not to be had here:", err)
			}
			log := &bytes.Buffer{}
			h := OpenHistory(home, slog.New(slog.NewTextHandler(log, nil)))
			h.Add(Event{Event: Started})
			h.Add(Event{Event: Stopped})
			h.Close()
			if list, err := Read(home); err != nil || len(list) != 2 {
				t.Errorf("%v, %v\n%s", list, err, log)
			}
			if data, _ := os.ReadFile(other); string(data) != "theirs" {
				t.Errorf("the link's target holds %q", data)
			}
			if aside := len(strict.Aside(home)); aside > 1 || aside == 0 && strings.HasPrefix(kind, "a ") {
				t.Errorf("%d are set aside", aside)
			}
		})
	}
}

// F6: in a home that others can write the history is left alone; that is logged once, and
// nobody waits.
func TestHistoryInASwappedHome_F6(t *testing.T) {
	home := newHome(t)
	testkit.Must(t, os.WriteFile(filepath.Join(home, HistoryName), []byte("{}\n"), 0o600))
	testkit.Must(t, disk.Chmod(home, 0o777))
	log := &bytes.Buffer{}
	h := OpenHistory(home, slog.New(slog.NewTextHandler(log, nil)))
	h.Add(Event{Event: Started})
	h.Add(Event{Event: Stopped})
	h.Close()
	if n := strings.Count(log.String(), "the history cannot be written"); n != 1 {
		t.Errorf("logged %d times: %s", n, log)
	}
	if _, err := Read(home); err == nil || !strings.Contains(err.Error(), home+" can be written by others") {
		t.Errorf("read: %v", err)
	}
}

// R8: a flood of events neither wears the disk out nor pushes the rest out of the file: what is
// left out is counted, and the end of a login is there.
func TestHistoryHasAPace_R8(t *testing.T) {
	home := newHome(t)
	synctest.Test(t, func(t *testing.T) {
		h := OpenHistory(home, slog.New(slog.DiscardHandler))
		for i := range 500 {
			h.Add(Event{Event: Adopted, Cause: fmt.Sprint(i)})
			synctest.Wait()
			if i == 150 {
				h.Add(Event{Event: LoginRequired})
			}
		}
		time.Sleep(time.Minute)
		h.Add(Event{Event: Refreshed})
		h.Close()
	})
	list, err := Read(home)
	testkit.Must(t, err)
	kinds := map[string]int{}
	for _, e := range list {
		kinds[e.Event]++
	}
	if kinds[Adopted] != maxPerMinute || kinds[LoginRequired] != 1 || kinds[LeftOut] != 1 || kinds[Refreshed] != 1 {
		t.Errorf("%v", kinds)
	}
	if e := list[len(list)-2]; e.Event != LeftOut || e.Cause != fmt.Sprint(500-maxPerMinute) {
		t.Errorf("%+v", e)
	}
}

func TestEventJSON(t *testing.T) {
	line, err := json.Marshal(Event{Time: time.Unix(0, 0).UTC(), Event: Started, PID: 1})
	if string(line) != `{"Time":"1970-01-01T00:00:00Z","Event":"started","PID":1}` {
		t.Errorf("%s, %v", line, err)
	}
}

// S5: a disk that hangs does not keep the daemon from its end, nor those who report
// something meanwhile from their work.
func TestHistoryOnADiskThatHangs_S5(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &bytes.Buffer{}
		h := &History{log: slog.New(slog.NewTextHandler(log, nil)), pending: make(chan Event, 1), done: make(chan struct{})}
		begun := time.Now()
		h.Add(Event{Event: Refreshed}) // which nobody comes to write
		h.Add(Event{Event: Stopped})
		if took := time.Since(begun); took != 0 {
			t.Errorf("adding took %v", took)
		}
		h.Close()
		if took := time.Since(begun); took > historyFarewell {
			t.Errorf("it took %v", took)
		}
		for _, want := range []string{"an event is missing from the history", "event=stopped", "the end of the history is missing"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%q is not logged", want)
			}
		}
	})
}
