package events

import (
	"bytes"
	"encoding/json"
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
)

// newHome is a folder that is ours alone, whatever the umask (F6).
func newHome(t *testing.T) string {
	t.Helper()
	home := t.TempDir()
	testkit.Must(t, os.Chmod(home, 0o700))
	return home
}

// Each event is a line, in the order in which they came, for nobody else's eyes.
func TestHistory(t *testing.T) {
	home := newHome(t)
	path := filepath.Join(home, HistoryName)
	if list, err := Read(home); len(list) != 0 || err != nil {
		t.Errorf("before anything happened: %v, %v", list, err)
	}
	testkit.Must(t, os.WriteFile(path, nil, 0o644)) // as an editor may leave it
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
	if info, _ := os.Stat(path); fsx.OthersCanRead(info) {
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
	info, err := os.Stat(h.path)
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

// F6: a history that is a link, in a folder that others can write, or no file at all is left
// alone; that is logged once, and nobody waits.
func TestHistoryIsAFileOfOurs_F6(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, home, path string) (want string){
		"a link": func(t *testing.T, _, path string) string {
			if err := os.Symlink(filepath.Join(t.TempDir(), "bashrc"), path); err != nil {
				t.Skip("no links here:", err)
			}
			return path + " is a link"
		},
		"a folder": func(t *testing.T, _, path string) string {
			testkit.Must(t, os.Mkdir(path, 0o700))
			return HistoryName
		},
		"a FIFO": func(t *testing.T, _, path string) string {
			mkfifo(t, path)
			return path + " is not a regular file of yours"
		},
		"a home that others can write": func(t *testing.T, home, path string) string {
			testkit.Must(t, os.WriteFile(path, []byte("{}\n"), 0o600))
			testkit.Must(t, os.Chmod(home, 0o777))
			if info, _ := os.Stat(home); !fsx.OthersCanWrite(info) {
				t.Skip("access goes by other means here")
			}
			return home + " can be written by others"
		},
	} {
		t.Run(name, func(t *testing.T) {
			home := newHome(t)
			want := put(t, home, filepath.Join(home, HistoryName))
			log := &bytes.Buffer{}
			h := OpenHistory(home, slog.New(slog.NewTextHandler(log, nil)))
			h.Add(Event{Event: Started})
			h.Add(Event{Event: Stopped})
			h.Close()
			if n := strings.Count(log.String(), "the history cannot be written"); n != 1 {
				t.Errorf("logged %d times: %s", n, log)
			}
			if _, err := Read(home); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("read: %v, want %q", err, want)
			}
		})
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
