package main

import (
	"slices"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol/words"
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
	if got, want := happened(false, e), "revoked; it was "+words.Span(30*24*time.Hour)+" old, of "+words.Moment(e.Since); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// §4: "why was I logged out?" is answered by the first word of an end, which a daemon that starts again,
// or the deletion of the file, does not change.
func TestHistoryAnswersWhy_Section4(t *testing.T) {
	at := time.Date(2026, 8, 3, 9, 0, 0, 0, time.Local)
	on := func(minute int, kind, cause string) events.Event {
		return events.Event{Time: at.Add(time.Duration(minute) * time.Minute), Event: kind, Cause: cause}
	}
	ends := func(minute int, kind, cause string) events.Event {
		e := on(minute, kind, cause)
		e.Since = at.Add(-48 * time.Hour)
		return e
	}
	const grant = "the login has ended: it was revoked, or used by another program (invalid_grant)"
	begun := []events.Event{on(0, events.Started, ""), on(0, events.LoggedIn, ""), on(1, events.Refreshed, "")}
	revoked := []events.Event{on(2, events.Rejected, "the issuer says invalid_grant"), ends(2, events.LoginRequired, grant)}
	old := words.Span(48*time.Hour + 2*time.Minute)
	for name, c := range map[string]struct {
		more       []events.Event
		text, hint string
	}{
		"nothing ended": {nil, "No login has ended here since 2026-08-03 09:00.", ""},
		"revoked":       {revoked, "Logged out at 2026-08-03 09:02: revoked, or used by another program, when it was " + old + " old.", login.LoginHint},
		"started again": {append(slices.Clone(revoked), on(5, events.Started, ""), on(5, events.LoggedIn, ""), on(5, events.LoginRequired, grant)),
			"Logged out at 2026-08-03 09:02: revoked, or used by another program, when it was " + old + " old.", login.LoginHint},
		"then deleted": {append(slices.Clone(revoked), on(5, events.LoggedOut, "the token file was deleted")),
			"Logged out at 2026-08-03 09:02: revoked, or used by another program, when it was " + old + " old.", login.LoginHint},
		"and back": {append(slices.Clone(revoked), on(7, events.LoggedIn, "falcred login"), on(8, events.Refreshed, "")),
			"Logged out at 2026-08-03 09:02: revoked, or used by another program, when it was " + old + " old; logged in again at 2026-08-03 09:07.", ""},
		"and out again": {append(slices.Clone(revoked), on(7, events.LoggedIn, "falcred login"), on(8, events.LoggedOut, "by falcred logout or erase")),
			"Logged out at 2026-08-03 09:08: by falcred logout or erase.", login.LoginHint},
		"deleted": {[]events.Event{ends(3, events.LoggedOut, "the token file was deleted")},
			"Logged out at 2026-08-03 09:03: another program deleted the token file, as fal auth logout does, and the fal CLI where a refresh of its own fails.", login.LoginHint},
		"no words": {[]events.Event{ends(3, events.LoggedOut, "")}, "Logged out at 2026-08-03 09:03: why, the history does not say.", login.LoginHint},
		"another issuer's": {[]events.Event{on(3, events.LoginRequired, "the token file holds a login from another issuer")},
			"Logged out at 2026-08-03 09:03: the token file holds a login from another issuer.", "keep logins of different issuers in different homes: FAL_HOME_DIR"},
		"an outage": {[]events.Event{on(3, events.Unavailable, "down"), on(4, events.Refused, "down")},
			"You are not logged out, but requests are refused since 2026-08-03 09:04: down.", "find out more: falcred doctor"},
		"an outage that is over": {[]events.Event{on(4, events.Refused, "down"), on(5, events.Served, "")}, "No login has ended here since 2026-08-03 09:00.", ""},
		"a file that vanished": {[]events.Event{on(3, events.Vanished, "")},
			"The token file was deleted at 2026-08-03 09:03. Whether that was a logout, falcred asks the issuer, which it cannot reach.", "find out why: falcred doctor"},
		"and came back": {[]events.Event{on(3, events.Vanished, ""), on(4, events.Restored, "")}, "No login has ended here since 2026-08-03 09:00.", ""},
	} {
		all := append(slices.Clone(begun), c.more...)
		if text, hint := judgeHistory(all).answer(all[0].Time); text != c.text || hint != c.hint {
			t.Errorf("%s: %q, %q\nwant %q, %q", name, text, hint, c.text, c.hint)
		}
	}
}
