package protocol

import (
	"fmt"
	"io"
)

// Secret is a token or a key. It is an ordinary string to whoever converts it; printed,
// logged or encoded as text it is "[hidden]": by each verb of fmt, by slog's handlers,
// and by encoding/json and its like. Only the lines of this package carry it as it is
// ([AppendAnswer], [Query.Payload], [Login.Payload]).
//
// A struct that embeds it is hidden as a whole, also where fmt would pass over the
// methods of a field: those here do, since a server's URL can hold a password, and a
// user name a token that was given in the wrong place. What this cannot reach is
// encoding/gob, a key of a map in encoding/json, and an unexported field of another
// struct: no methods are called there.
type Secret string

const hiddenText = "[hidden]"

// String is "[hidden]".
func (Secret) String() string { return hiddenText }

// GoString is "[hidden]", for %#v.
func (Secret) GoString() string { return hiddenText }

// Format writes "[hidden]", whatever the verb and its flags.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenText) }

// MarshalText is "[hidden]", for JSON, XML and slog.
func (Secret) MarshalText() ([]byte, error) { return []byte(hiddenText), nil }

// hidden is an empty Secret in a struct whose secrets have other names: it is embedded
// for its methods.
type hidden = Secret
