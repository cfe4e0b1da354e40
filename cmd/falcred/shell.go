package main

import (
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// shell is which credential a program started from this shell would get, and
// what that hides from it (§5).
type shell struct {
	Source  string // "FAL_KEY", "login", "the daemon's FAL_KEY", …, or "" for none
	Usable  bool
	For     string   `json:",omitempty"` // to whose account its requests are attributed…
	Because string   `json:",omitempty"` // …and what says so
	Shadows []string `json:",omitempty"`
	Note    string   `json:",omitempty"`
	Hint    string   `json:",omitempty"`
	Mend    string   `json:",omitempty"` // Hint under its first name, in JSON only: withMend
	Warning string   `json:",omitempty"` // what may be wrong with it, and on a second line what to do
}

const (
	sourceLogin = "login"
	ofDaemon    = "the daemon's "
	ofKey       = "the account or team of this key"
)

// judge applies the rule of §5 as a client in this shell does. d is nil where
// no daemon runs.
func judge(lookup func(string) (string, bool), d *protocol.Status, loggedIn bool, now time.Time) shell {
	getenv := func(name string) string {
		value, _ := lookup(name)
		return value
	}
	if key, ok := env.FindKey(getenv); ok {
		return ownKey(getenv, key, d, loggedIn)
	}
	forced := env.ForceUser(getenv)
	if d != nil && d.State == protocol.StateKey && !forced {
		return daemonKey(d)
	}
	s := shell{Source: sourceLogin, Usable: d != nil && loginUsable(d, env.Team(lookup) != nil, now)}
	if forced {
		s.Shadows = append(keysSet(getenv), keysOf(d)...)
	}
	if len(s.Shadows) > 0 {
		s.Note = "FAL_FORCE_AUTH_BY_USER=1: only the login counts"
	}
	switch {
	case !loggedIn:
		s.Source = ""
		s.Hint = login.LoginHint
	case d == nil && getenv("FALCRED_AUTOSTART") == "0":
		s.Note, s.Hint = "no daemon runs, and FALCRED_AUTOSTART=0 keeps docker-credential-fal from starting one", startHint
	case d == nil: // a request waits for what the new daemon finds
		s.Usable = true
		s.Note, s.Hint = "no daemon runs: docker-credential-fal starts one, other programs do not", startHint
	}
	return s
}

// account is to whose account requests are attributed, and why, "" where that is not known.
func (s shell) account() string {
	if s.Because == "" {
		return s.For
	}
	return s.For + " (" + s.Because + ")"
}

// ownKey is the common surprise: a key in the environment wins silently.
func ownKey(getenv func(string) string, key env.Key, d *protocol.Status, loggedIn bool) shell {
	s := shell{Source: key.Source, Usable: true, For: ofKey, Warning: key.Doubt()}
	s.Shadows = slices.DeleteFunc(keysSet(getenv), func(name string) bool { return name == key.Source })
	s.Shadows = append(s.Shadows, keysOf(d)...)
	if loggedIn {
		s.Shadows = append(s.Shadows, sourceLogin)
		s.Note, s.Hint = keyWins(key.Source, "", "your"), keyHint(key.Source)
	}
	if odd := env.OddKey(getenv); odd != "" { // it is refused at both ends
		s.Usable = false
		s.Note, s.Hint, _ = strings.Cut(odd+" "+env.OddKeyText, "\n")
	}
	return s
}

// keyHint is what to do where a key hides the login.
func keyHint(source string) string {
	return "to use the login: unset " + strings.ReplaceAll(source, " and ", " ") + ", or set FAL_FORCE_AUTH_BY_USER=1"
}

// envKeyHint is what to do where that key is in falcred.env, daemonKeyHint where it is in the daemon's environment.
const (
	envKeyHint    = "to use the login, take it out there, then: falcred restart; or set FAL_FORCE_AUTH_BY_USER=1"
	daemonKeyHint = "to use the login, take it out of the daemon's environment or set FAL_FORCE_AUTH_BY_USER=1"
)

// keyWins says that a key of this shell hides the login: where is where it is set, and whose
// the login is.
func keyWins(source, where, whose string) string {
	verb := " is set"
	if strings.Contains(source, " and ") {
		verb = " are set"
	}
	return source + verb + where + ", so requests use that key and are attributed to its team, not " + whose + " login"
}

func daemonKey(d *protocol.Status) shell {
	s := shell{Source: ofDaemon + d.Source, Usable: true, For: ofKey, Shadows: d.Shadows}
	if slices.Contains(d.Shadows, sourceLogin) {
		s.Note = "the daemon was given a key, so requests use that and are attributed to its team, not your login"
		s.Hint = daemonKeyHint
	}
	return s
}

// keysSet names the keys of this environment, whether they win or not.
func keysSet(getenv func(string) string) (names []string) {
	if getenv("FAL_KEY") != "" {
		names = append(names, "FAL_KEY")
	}
	if getenv("FAL_KEY_ID") != "" && getenv("FAL_KEY_SECRET") != "" {
		names = append(names, "FAL_KEY_ID and FAL_KEY_SECRET")
	}
	return names
}

func keysOf(d *protocol.Status) []string {
	if d == nil || d.State != protocol.StateKey {
		return nil
	}
	return []string{ofDaemon + d.Source}
}

func daemonHasLogin(d *protocol.Status) bool {
	if d.State == protocol.StateKey {
		return slices.Contains(d.Shadows, sourceLogin)
	}
	return d.State != protocol.StateLoggedOut
}

// loginUsable: a login whose access token has still to come is usable, since a
// request waits for it. A team that the fal config names concerns nobody who has named one.
func loginUsable(d *protocol.Status, named bool, now time.Time) bool {
	if d.State == protocol.StateUnavailable || d.Unresolved && !named {
		return false
	}
	return d.State == protocol.StateLoggedIn || now.Before(d.Expires)
}
