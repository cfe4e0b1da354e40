package events

import "log/slog"

// logged is how an event is told: in a log, and by `falcred history`.
var logged = map[string]struct {
	level slog.Level
	text  string
}{
	Started:       {slog.LevelInfo, "the daemon started"},
	Stopped:       {slog.LevelInfo, "the daemon stopped"},
	LoggedIn:      {slog.LevelInfo, "a login appeared"},
	Adopted:       {slog.LevelInfo, "another program wrote the token file"},
	Refreshed:     {slog.LevelInfo, "refreshed"},
	Rejected:      {slog.LevelWarn, "the refresh token was rejected"},
	LoginRequired: {slog.LevelError, "log in again"},
	Restored:      {slog.LevelWarn, "put the valid token back into the file"},
	Vanished:      {slog.LevelInfo, "the token file vanished"},
	LoggedOut:     {slog.LevelInfo, "logged out"},
	Unavailable:   {slog.LevelWarn, "refreshing fails"},
	Refused:       {slog.LevelWarn, "requests for the login are refused from now on"},
	Served:        {slog.LevelInfo, "requests for the login are served again"},
	Clock:         {slog.LevelInfo, "the clock jumped"},
	LeftOut:       {slog.LevelInfo, "events that came too fast, and are left out"},
}

// Text says what happened, in a few words; "" for an event of a newer falcred.
func (e Event) Text() string { return logged[e.Event].text }

// Level is how much it matters to who keeps the machine: a warning is what he may have to look at, an
// error what somebody has to do something about.
func (e Event) Level() slog.Level { return logged[e.Event].level }

// Attrs are its other members, for a log: event, cause, account, expires, since.
func (e Event) Attrs() []slog.Attr {
	attrs := []slog.Attr{slog.String("event", e.Event)}
	if e.Cause != "" {
		attrs = append(attrs, slog.String("cause", e.Cause))
	}
	if e.Subject != "" {
		attrs = append(attrs, slog.String("account", e.Subject))
	}
	if !e.Expires.IsZero() {
		attrs = append(attrs, slog.Time("expires", e.Expires))
	}
	if !e.Since.IsZero() {
		attrs = append(attrs, slog.Time("since", e.Since))
	}
	return attrs
}
