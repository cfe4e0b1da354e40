package protocol

import (
	"fmt"
	"io"
)

// Types that hold a secret print as a description without it, whatever the
// verb and whichever logger (S4, R12): Format wins over every fmt verb, GoString
// and String serve those who call them, MarshalText serves slog's handlers and the
// encoders of text (JSON, XML), also where the value is within another one. The
// wire alone is written as it is, member by member. What this cannot reach
// is encoding/gob, and an unexported field of another struct: fmt calls no methods
// there.

func (c Credential) String() string {
	return fmt.Sprintf("credential (%s) for %s", printable(c.Username), safeServer(c.ServerURL))
}

func (q Query) String() string {
	return fmt.Sprintf("query for %s (forceUser %t, minValid %d, rejected %t)",
		safeServer(q.ServerURL), q.ForceUser, q.MinValid, q.Rejected != "")
}

func (l Login) String() string { return "login for " + safeServer(l.ServerURL) }

func (k Key) String() string { return "key from " + printable(k.Source) }

func (r Request) String() string { return "request " + printable(r.Verb) }

func (c Credential) GoString() string { return c.String() }
func (q Query) GoString() string      { return q.String() }
func (l Login) GoString() string      { return l.String() }
func (k Key) GoString() string        { return k.String() }
func (r Request) GoString() string    { return r.String() }

func (c Credential) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }
func (q Query) Format(f fmt.State, _ rune)      { io.WriteString(f, q.String()) }
func (l Login) Format(f fmt.State, _ rune)      { io.WriteString(f, l.String()) }
func (k Key) Format(f fmt.State, _ rune)        { io.WriteString(f, k.String()) }
func (r Request) Format(f fmt.State, _ rune)    { io.WriteString(f, r.String()) }

// MarshalText is the description that String gives: JSON and its like do not write
// the secret.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
func (q Query) MarshalText() ([]byte, error)      { return []byte(q.String()), nil }
func (l Login) MarshalText() ([]byte, error)      { return []byte(l.String()), nil }
func (k Key) MarshalText() ([]byte, error)        { return []byte(k.String()), nil }
func (r Request) MarshalText() ([]byte, error)    { return []byte(r.String()), nil }

// safeServer names a server by scheme and host: userinfo and query strings hold
// passwords and tokens of their own.
func safeServer(serverURL string) string {
	a, ok := parseAddress(serverURL)
	if !ok {
		return "a malformed server URL"
	}
	return a.url()
}

// printable keeps a field that is no secret by nature from becoming one by
// mistake, such as a token given as the user name.
func printable(s string) string {
	switch s {
	case "Key", "Bearer", TokenUsername, sourceKey, sourcePair,
		VerbGet, VerbList, VerbStore, VerbErase, VerbStatus, VerbVersion, VerbWatch:
		return s
	}
	return "?"
}
