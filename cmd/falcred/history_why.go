package main

import (
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/words"
)

// verdict is what a history says about logins that have ended.
type verdict struct {
	end     events.Event // of the last one that ended; zero where none has
	again   time.Time    // since when there is a login again, zero where there is none
	refused events.Event // why requests are refused now, though no login has ended; zero where they are not
}

// judgeHistory finds the end that people ask about. A daemon that starts again with an ended login tells
// of its end once more, and so does whoever deletes its file: the first one counts. Such a login has no
// beginning any more, and no refresh has proved it.
func judgeHistory(all []events.Event) (v verdict) {
	proved := true
	for _, e := range all {
		switch e.Event {
		case events.LoggedOut, events.LoginRequired:
			if proved || !e.Since.IsZero() {
				v.end = e
			}
			v.again, v.refused, proved = time.Time{}, events.Event{}, false
		case events.LoggedIn, events.Adopted, events.Refreshed, events.Restored:
			if v.again.IsZero() {
				v.again = e.Time
			}
			proved = proved || e.Event == events.Refreshed || e.Cause != ""
		}
		switch e.Event {
		case events.Refused, events.Vanished:
			v.refused = e
		case events.Served, events.Restored, events.Refreshed, events.LoggedIn, events.Adopted:
			v.refused = events.Event{}
		}
	}
	return v
}

// answer is to "why was I logged out?", in one sentence, and says what to do, "" where that is nothing.
// first is when the history begins.
func (v verdict) answer(first time.Time) (text, hint string) {
	switch {
	case v.end.Event != "" && v.again.IsZero():
		return "Logged out at " + words.Moment(v.end.Time) + ": " + whyEnded(v.end) + ".", whatNow(v.end)
	case v.refused.Event == events.Vanished:
		return "The token file was deleted at " + words.Moment(v.refused.Time) + ". Whether that was a logout, falcred asks the issuer, which it cannot reach.",
			"find out why: falcred doctor"
	case v.refused.Event != "":
		return "You are not logged out, but requests are refused since " + words.Moment(v.refused.Time) + ": " + protocol.Printable(v.refused.Cause) + ".",
			"find out more: falcred doctor"
	case v.end.Event != "":
		return "Logged out at " + words.Moment(v.end.Time) + ": " + whyEnded(v.end) + "; logged in again at " + words.Moment(v.again) + ".", ""
	}
	return "No login has ended here since " + words.Moment(first) + ".", ""
}

// whyEnded is the likely cause, for people who know nothing of tokens.
func whyEnded(e events.Event) string {
	why := protocol.Printable(e.Cause)
	switch {
	case e.Event == events.LoginRequired && strings.Contains(why, "(invalid_grant)"):
		why = "revoked, or used by another program"
	case e.Event == events.LoggedOut && why == "the token file was deleted":
		why = "another program deleted the token file, as fal auth logout does, and the fal CLI where a refresh of its own fails"
	case why == "":
		why = "why, the history does not say"
	}
	if age := e.Time.Sub(e.Since); e.Event == events.LoginRequired && !e.Since.IsZero() && age >= time.Minute {
		why += ", when it was " + words.Span(age) + " old"
	}
	return why
}

// whatNow is what to do about an end.
func whatNow(e events.Event) string {
	if strings.Contains(e.Cause, "another issuer") {
		return "keep logins of different issuers in different homes: FAL_HOME_DIR"
	}
	return login.LoginHint
}
