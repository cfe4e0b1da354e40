package protocol

import (
	"time"

	"github.com/falcred/falcred/protocol/internal/ijson"
)

// Credential is the answer to get, and each answer to watch. It is printed, and written
// by encoding/json, as "[hidden]" ([Secret]); [AppendAnswer] writes the line.
type Credential struct {
	ServerURL string
	Username  string // "Key" or "Bearer"
	Secret
	Expires time.Time         // only where there is one
	Headers map[string]string // what to send besides Authorization
	Team    *string           // that of the [Query], if it named one; a key's answer has none
}

// Authorization is the value of the Authorization header.
func (c Credential) Authorization() string { return c.Username + " " + string(c.Secret) }

// SetHeaders sets all that a request with c carries, by [net/http.Header.Set] for instance: Authorization,
// and what says whom it is attributed to.
func (c Credential) SetHeaders(set func(name, value string)) {
	for name, value := range c.Headers {
		set(name, value)
	}
	set("Authorization", c.Authorization())
}

// IsFor says whether requests with c are attributed as q asks: the answer repeats its Team. A daemon
// that knows no Team leaves it out, and its answer is for whom the fal config names; a key is for its
// own account, whatever is asked.
func (c Credential) IsFor(q Query) bool {
	return q.Team == nil || c.Team != nil && *c.Team == *q.Team
}

// VersionAnswer is the answer to version.
type VersionAnswer struct {
	Version  string
	Protocol int
}

// EraseAnswer is the answer to erase.
type EraseAnswer struct {
	Revoked bool // at the issuer; false where it was left out, or cannot revoke
}

// The values of State in a [Status]. A later version may know more.
const (
	StateLoggedIn      = "logged_in"
	StateLoginRequired = "login_required" // the login has ended: log in again
	StateLoggedOut     = "logged_out"     // there is no token file
	StateUnavailable   = "unavailable"    // the token has expired and the issuer cannot be reached
	StateKey           = "key"            // a key of the daemon's environment is served
)

// Status is the answer to status. No member is a secret. On the wire and in JSON those
// that say nothing are left out, and Hint is there twice: see [Status.MarshalJSON].
type Status struct {
	Version  string
	Protocol int
	PID      int
	Since    time.Time // when the daemon started
	OnDemand bool      // docker-credential-fal has started it: nothing does after a restart of the machine
	Home     string
	Socket   string
	Issuer   string
	State    string
	Source   string   // "login", "FAL_KEY", "FAL_KEY_ID and FAL_KEY_SECRET" or ""
	Shadows  []string // sources that Source hides

	Subject     string    // the account of the login
	Name        string    // whose that is, by a verified ID token; "" where none said…
	Email       string    // …and the address
	Unverified  bool      // whose login it is could not be verified, so far
	LoginEnded  bool      // the login has ended, whatever State says of a key that is served instead
	Team        string    // the team that its requests are attributed to, "" for the account itself
	TeamID      string    // that team's X-Fal-User-Id, once it is resolved
	Unresolved  bool      // whom requests of the login are attributed to is not known: it is not served
	Expires     time.Time // of the access token
	Refreshed   time.Time // the last successful refresh
	NextRefresh time.Time
	Refreshes   int // since the daemon started

	LoginSince   time.Time // since when the login exists, or was first seen in the home
	LastEnd      time.Time // when a login of the home ended last…
	LastEndCause string    // …why…
	LastEndAge   int       // …and how old it was, in s; 0 where that is not known

	Clients     int // requests for a credential since the daemon started
	Connections int // open now

	LastError string
	Hint      string // what to do about it, one line
	Warnings  []string
}

// MarshalJSON writes the object of the wire. Hint is in it under that name and, for
// programs that know version 1 as it began, under its first one, Mend.
func (s Status) MarshalJSON() ([]byte, error) { return ijson.Append(nil, s.members()...) }

// answer is what travels as an object with these members.
type answer interface{ members() []ijson.Member }

func (c *Credential) members() []ijson.Member {
	return []ijson.Member{
		{Name: "ServerURL", Value: &c.ServerURL},
		{Name: "Username", Value: &c.Username},
		{Name: "Secret", Value: (*string)(&c.Secret)},
		{Name: "Expires", Value: &c.Expires, OmitEmpty: true},
		{Name: "Headers", Value: &c.Headers, OmitEmpty: true},
		{Name: "Team", Value: &c.Team, OmitEmpty: true},
	}
}

func (v *VersionAnswer) members() []ijson.Member {
	return []ijson.Member{
		{Name: "Version", Value: &v.Version},
		{Name: "Protocol", Value: &v.Protocol},
	}
}

func (e *EraseAnswer) members() []ijson.Member {
	return []ijson.Member{{Name: "Revoked", Value: &e.Revoked}}
}

func (s *Status) members() []ijson.Member {
	return []ijson.Member{
		{Name: "Version", Value: &s.Version},
		{Name: "Protocol", Value: &s.Protocol},
		{Name: "PID", Value: &s.PID},
		{Name: "Since", Value: &s.Since, OmitEmpty: true},
		{Name: "OnDemand", Value: &s.OnDemand, OmitEmpty: true},
		{Name: "Home", Value: &s.Home},
		{Name: "Socket", Value: &s.Socket},
		{Name: "Issuer", Value: &s.Issuer},
		{Name: "State", Value: &s.State},
		{Name: "Source", Value: &s.Source},
		{Name: "Shadows", Value: &s.Shadows, OmitEmpty: true},
		{Name: "Subject", Value: &s.Subject, OmitEmpty: true},
		{Name: "Name", Value: &s.Name, OmitEmpty: true},
		{Name: "Email", Value: &s.Email, OmitEmpty: true},
		{Name: "Unverified", Value: &s.Unverified, OmitEmpty: true},
		{Name: "LoginEnded", Value: &s.LoginEnded, OmitEmpty: true},
		{Name: "Team", Value: &s.Team, OmitEmpty: true},
		{Name: "TeamID", Value: &s.TeamID, OmitEmpty: true},
		{Name: "Unresolved", Value: &s.Unresolved, OmitEmpty: true},
		{Name: "Expires", Value: &s.Expires, OmitEmpty: true},
		{Name: "Refreshed", Value: &s.Refreshed, OmitEmpty: true},
		{Name: "NextRefresh", Value: &s.NextRefresh, OmitEmpty: true},
		{Name: "Refreshes", Value: &s.Refreshes},
		{Name: "LoginSince", Value: &s.LoginSince, OmitEmpty: true},
		{Name: "LastEnd", Value: &s.LastEnd, OmitEmpty: true},
		{Name: "LastEndCause", Value: &s.LastEndCause, OmitEmpty: true},
		{Name: "LastEndAge", Value: &s.LastEndAge, OmitEmpty: true},
		{Name: "Clients", Value: &s.Clients},
		{Name: "Connections", Value: &s.Connections},
		{Name: "LastError", Value: &s.LastError, OmitEmpty: true},
		{Name: "Mend", Value: &s.Hint, OmitEmpty: true}, // first, so that Hint is what counts in an answer that has both
		{Name: "Hint", Value: &s.Hint, OmitEmpty: true},
		{Name: "Warnings", Value: &s.Warnings, OmitEmpty: true},
	}
}

// AppendAnswer appends v as one line, LF included: a [Credential], [Status],
// [VersionAnswer] or [EraseAnswer], or a pointer to one, or the map of a list. An error
// becomes the error form, nil the empty object of a verb that has nothing to say.
func AppendAnswer(dst []byte, v any) ([]byte, error) {
	var members []ijson.Member
	switch v := v.(type) {
	case nil:
	case error:
		members = AsError(v).members()
	case Credential:
		members = v.members()
	case Status:
		members = v.members()
	case VersionAnswer:
		members = v.members()
	case EraseAnswer:
		members = v.members()
	case answer:
		members = v.members()
	case map[string]string:
		members = ijson.Strings(v)
	default:
		return dst, errInternal
	}
	n := len(dst)
	out, err := ijson.Append(dst, members...)
	if err != nil {
		return dst, errInternal
	}
	if len(out)-n+1 > MaxLine {
		return dst, ErrTooLong
	}
	return append(out, '\n'), nil
}

// ParseAnswer reads a line into v, a pointer to what [AppendAnswer] takes, or nil, or
// returns the *[Error] that the line is. Unknown members are ignored. The texts of an
// error, a [Status], a [VersionAnswer] and a list are [Printable], but for a status's Home,
// which is for comparing; a [Credential] is as it came.
func ParseAnswer(line string, v any) error {
	object, err := ijson.Read(line)
	if err != nil {
		return errMalformed
	}
	_, isError := object["Error"]
	if _, hasCode := object["Code"]; isError && hasCode {
		e := new(Error)
		if object.Into(e.members()...) != nil {
			return errMalformed
		}
		e.Message, e.Code = printableText(e.Message), Code(Printable(string(e.Code)))
		return e
	}
	switch v := v.(type) {
	case nil:
	case *Credential:
		err = object.Into(v.members()...)
	case answer:
		err = object.Into(v.members()...)
		makePrintable(v.members(), "Home")
	case *map[string]string:
		var list map[string]string
		list, err = object.Strings()
		*v = make(map[string]string, len(list))
		for server, kind := range list {
			(*v)[Printable(server)] = Printable(kind)
		}
	default:
		return errInternal
	}
	if err != nil {
		return errMalformed
	}
	return nil
}
