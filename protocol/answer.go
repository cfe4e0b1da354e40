package protocol

import (
	"encoding/json"
	"time"
)

// Credential is the answer to get, and each answer to watch. JSON and its like write
// a description of it (see [Credential.MarshalText]); [AppendAnswer] writes the line.
type Credential struct {
	ServerURL string
	Username  string // "Key" or "Bearer"
	Secret    string
	Expires   time.Time         `json:",omitzero"`  // only where there is one
	Headers   map[string]string `json:",omitempty"` // what to send besides Authorization
}

// Authorization is the value of the Authorization header.
func (c Credential) Authorization() string { return c.Username + " " + c.Secret }

// VersionAnswer is the answer to version.
type VersionAnswer struct {
	Version  string
	Protocol int
}

// EraseAnswer is the answer to erase.
type EraseAnswer struct {
	Revoked bool // at the issuer; false where it was left out, or cannot revoke
}

// State says how the daemon stands. A later version may know more states.
type State = string

// The states of [Status].
const (
	StateLoggedIn      State = "logged_in"
	StateLoginRequired State = "login_required" // the issuer refuses the login: log in again
	StateLoggedOut     State = "logged_out"     // there is no token file
	StateUnavailable   State = "unavailable"    // the token ran out and the issuer cannot be reached
	StateKey           State = "key"            // a key of the daemon's environment is served
)

// Status is the answer to status. No member is a secret.
type Status struct {
	Version  string
	Protocol int
	PID      int
	Since    time.Time `json:",omitzero"` // when the daemon started
	Home     string
	Socket   string
	Issuer   string
	State    State
	Source   string   // "login", "FAL_KEY", "FAL_KEY_ID and FAL_KEY_SECRET" or ""
	Shadows  []string `json:",omitempty"` // sources that Source hides (§5)

	Subject     string    `json:",omitempty"` // the account of the login
	Team        string    `json:",omitempty"` // the team that its requests are attributed to, "" for the account itself
	TeamID      string    `json:",omitempty"` // that team's X-Fal-User-Id, once it is resolved
	Unresolved  bool      `json:",omitempty"` // whom requests of the login are attributed to is not known: it is not served
	Expires     time.Time `json:",omitzero"`  // of the access token
	Refreshed   time.Time `json:",omitzero"`  // the last successful refresh
	NextRefresh time.Time `json:",omitzero"`
	Refreshes   int       // since the daemon started

	Clients     int // requests for a credential since the daemon started
	Connections int // open now

	LastError string   `json:",omitempty"`
	Mend      string   `json:",omitempty"` // what to do about it, one line
	Warnings  []string `json:",omitempty"`
}

// AppendAnswer appends v as one line, LF included. An error becomes the error
// form, nil the empty object of a verb that has nothing to say.
func AppendAnswer(dst []byte, v any) ([]byte, error) {
	switch t := v.(type) {
	case error:
		v = AsError(t)
	case nil:
		v = struct{}{}
	}
	n := len(dst)
	out, err := appendValue(dst, v)
	if err != nil {
		return dst, errInternal
	}
	if len(out)-n+1 > MaxLine {
		return dst, ErrTooLong
	}
	return append(out, '\n'), nil
}

// appendValue goes the short way where there is one.
func appendValue(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case Credential:
		if out, ok := appendFlat(dst, v); ok {
			return out, nil
		}
		return appendJSON(dst, wireCredential(v))
	case *Credential:
		return appendJSON(dst, (*wireCredential)(v))
	case *Error:
		if out, ok := appendFlatError(dst, v); ok {
			return out, nil
		}
	}
	return appendJSON(dst, v)
}

// ParseAnswer reads a line into v, which may be nil, or returns the *[Error]
// that the line is. Unknown members are ignored.
func ParseAnswer(line string, v any) error {
	if c, ok := v.(*Credential); ok {
		if flat, ok := flatCredential(line); ok {
			*c = flat
			return nil
		}
	}
	malformed := Errorf(CodeInternal, "malformed answer")
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(line), &members); err != nil || members == nil {
		return malformed
	}
	message, isError := members["Error"]
	code, hasCode := members["Code"]
	if isError && hasCode {
		e := new(Error)
		if json.Unmarshal(message, &e.Message) != nil || json.Unmarshal(code, &e.Code) != nil {
			return malformed
		}
		return e
	}
	if v != nil && json.Unmarshal([]byte(line), v) != nil {
		return malformed
	}
	return nil
}
