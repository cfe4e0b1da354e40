package service

import (
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/falcred/falcred/daemon/testkit"
)

// A record in the journal: one line of text, its priority, a field for each attribute, no second time.
func TestJournal(t *testing.T) {
	var text string
	var p journal.Priority
	var fields map[string]string
	log := slog.New(Journal{Level: slog.LevelInfo, Send: func(s string, priority journal.Priority, all map[string]string) error {
		text, p, fields = s, priority, all
		return nil
	}})
	until := time.Date(2026, 11, 28, 17, 30, 15, 0, time.UTC)
	log.With("account", "auth0|ann").WithGroup("the-team").Error("log in again", "event", "login_required", "cause", "ended\nlog in", "expires", until)
	if want := "log in again (account auth0|ann, the-team.event login_required, the-team.cause ended; log in, the-team.expires 2026-11-28T17:30Z)"; text != want || p != journal.PriErr {
		t.Errorf("%v %q, want %q", p, text, want)
	}
	log.Warn("refreshing fails", "event", "unavailable", "cause", "no network", "expires", until)
	if want := "refreshing fails: no network (expires 2026-11-28T17:30Z)"; text != want || p != journal.PriWarning {
		t.Errorf("%v %q, want %q", p, text, want)
	}
	if log.Warn("falcred.env is odd\nmend it", "cause", "line 3\x1b[m"); text != "falcred.env is odd; mend it: line 3 [m" && text != "falcred.env is odd; mend it: line 3?[m" {
		t.Errorf("%q", text)
	}
	log.Warn("refreshing fails", "event", "unavailable", "cause", "no network", "expires", until)
	want := map[string]string{
		"SYSLOG_IDENTIFIER": "falcred", "FALCRED_EVENT": "unavailable", "FALCRED_CAUSE": "no network", "FALCRED_EXPIRES": "2026-11-28T17:30:15Z",
	}
	if !maps.Equal(fields, want) {
		t.Errorf("%v, want %v", fields, want)
	}
	if log.Debug("too small"); text == "too small" {
		t.Error("below the level")
	}
}

// A journal that takes nothing keeps nobody for longer than a second, and the line goes to standard error
// with its priority; one that was started anew is found.
func TestJournalHangs(t *testing.T) {
	testkit.OnWindows(t, "it has no journal")
	path := filepath.Join(testkit.ShortDir(t), "socket")
	listen := func() *net.UnixConn {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
		testkit.Must(t, err)
		return l
	}
	there := listen()
	var instead strings.Builder
	j := &journalSocket{path: path, instead: &instead}
	for instead.Len() == 0 { // until its queue is full
		testkit.Must(t, j.send("refreshing fails", journal.PriWarning, map[string]string{"FALCRED_EVENT": "unavailable"}))
	}
	if instead.String() != "<4>refreshing fails\n" {
		t.Errorf("%q", instead.String())
	}
	record := make([]byte, 1000)
	n, err := there.Read(record)
	if want := "MESSAGE=refreshing fails\nPRIORITY=4\nFALCRED_EVENT=unavailable\n"; err != nil || string(record[:n]) != want {
		t.Errorf("%q, %v", record[:n], err)
	}
	there.Close()
	os.Remove(path)
	again := listen()
	defer again.Close()
	instead.Reset()
	testkit.Must(t, j.send("refreshed", journal.PriInfo, nil))
	if n, err := again.Read(record); err != nil || instead.Len() != 0 || string(record[:n]) != "MESSAGE=refreshed\nPRIORITY=6\n" {
		t.Errorf("%q, %v", record[:n], err)
	}
}
