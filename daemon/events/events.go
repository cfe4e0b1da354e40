// Package events reports what happens to a login to those who are not asking: to the
// [History], a file in the home that answers "why was I logged out?", to the [Hook], a
// command of the user's that runs at each change, and to the [Notifier], by which a desktop
// says that the login has ended.
//
// All do their work behind the caller's back: Add never waits, neither for a slow disk nor
// for a command or a desktop that hangs, and Close waits for a bounded time. What they cannot
// do they say in the log, and nothing else comes of it. No secret is given to any, and no
// key of the daemon's environment reaches the command.
package events

import "time"

// What happens to a login: the values of [Event].Event.
const (
	Started       = "started"        // the daemon
	Stopped       = "stopped"        //
	LoggedIn      = "logged_in"      // a login appeared where there was none
	Adopted       = "adopted"        // somebody else wrote another token
	Refreshed     = "refreshed"      // falcred did
	Rejected      = "rejected"       // the issuer no longer knows the refresh token
	LoginRequired = "login_required" // the login is over; the file is kept
	Restored      = "restored"       // falcred put the valid token back into the file
	Vanished      = "vanished"       // the file is gone, and the issuer cannot be asked whether that is a logout
	LoggedOut     = "logged_out"     //
	Unavailable   = "unavailable"    // refreshing fails; it is tried again
	Refused       = "refused"        // clients get no token of the login from now on, by something else than a logout
	Served        = "served"         // they do again
	Clock         = "clock"          // it jumped, or the machine slept
	LeftOut       = "left_out"       // events that came too fast for the history
)

// Event is one line of the history, as JSON.
type Event struct {
	Time    time.Time
	Event   string    // one of the constants
	Cause   string    `json:",omitempty"`
	Subject string    `json:",omitempty"` // whose login
	Expires time.Time `json:",omitzero"`  // of the access token
	Since   time.Time `json:",omitzero"`  // of a login that has ended: since when it was known to exist
	PID     int       // of the daemon: several may share a home
}

// Change is one change of a login's state: the new state, one of those of protocol.Status or
// [Refreshed], why, "" where there is nothing to say, and when a login of the home ended last,
// zero where none has.
type Change struct {
	State, Cause string
	Ended        time.Time
}
