package protocol

import (
	"fmt"
	"io"
	"log/slog"
)

// Types that hold a secret print as a description without it, whatever the
// verb and whichever logger (S4, R12): Format wins over every fmt verb, GoString
// and String serve those who call them, LogValue serves slog's JSON handler,
// which would marshal the struct. What this cannot reach is an unexported field
// of another struct: fmt calls no methods there.

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

func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }
func (q Query) LogValue() slog.Value      { return slog.StringValue(q.String()) }
func (l Login) LogValue() slog.Value      { return slog.StringValue(l.String()) }
func (k Key) LogValue() slog.Value        { return slog.StringValue(k.String()) }
func (r Request) LogValue() slog.Value    { return slog.StringValue(r.String()) }

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
