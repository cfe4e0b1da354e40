package main

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
)

// §4: the history says what is so of a token that lives for a short time, or came too late, and
// how old a login was that ended.
func TestHistorySaysWhatIsSo_Section4(t *testing.T) {
	at := time.Date(2026, 8, 3, 9, 0, 0, 300_000_000, time.UTC)
	for left, want := range map[time.Duration]string{
		900 * time.Millisecond: "valid for less than 1 second", 20 * time.Second: "valid for 20 seconds", 90 * time.Second: "valid for 1 minute 30 seconds",
		-300 * time.Millisecond: "valid for less than 1 second", -time.Minute: "already expired by this machine's clock",
		24*time.Hour - 300*time.Millisecond: "valid for 24 hours",
	} {
		e := events.Event{Time: at, Event: events.Refreshed, Expires: at.Add(left)}
		if got := happened(false, e); got != "refreshed, "+want {
			t.Errorf("%v: %q, want %q", left, got, want)
		}
	}
	e := events.Event{Time: at, Event: events.LoginRequired, Cause: "revoked", Since: at.Add(-30 * 24 * time.Hour)}
	if got, want := happened(false, e), "log in again: revoked; it was 30 days old, of "+e.Since.Local().Format("2 January 2006"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
