package service

import (
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
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
