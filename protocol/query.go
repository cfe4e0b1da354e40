package protocol

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
)

// DefaultServer is the server that a client asks for when it is told none.
const DefaultServer = "https://fal.run"

// TokenUsername is docker's mark for "the secret is a token, not a password".
const TokenUsername = "<token>"

// MaxMinValid is a year in seconds. No access token lives that long; a larger
// number is a mistake about the unit, and could overflow a time.Duration.
const MaxMinValid = 366 * 24 * 60 * 60

// Query is the payload of get and watch, and of erase, which looks at ServerURL
// and Local only.
type Query struct {
	ServerURL string
	ForceUser bool   `json:",omitempty"` // skip the daemon's own keys (§5)
	MinValid  int    `json:",omitempty"` // seconds, best effort
	Rejected  string `json:",omitempty"` // a secret that a server answered with 401
	Local     bool   `json:",omitempty"` // erase: delete the login here without revoking it
}

// ParseQuery reads a bare URL or host, or an object (the first byte is '{').
func ParseQuery(payload string) (Query, error) {
	if err := checkText(payload, "payload"); err != nil {
		return Query{}, err
	}
	payload = strings.TrimSpace(payload)
	if !strings.HasPrefix(payload, "{") {
		return Query{ServerURL: payload}.checked()
	}
	var q Query
	err := parseObject(payload, map[string]any{
		"ServerURL": &q.ServerURL,
		"ForceUser": &q.ForceUser,
		"MinValid":  &q.MinValid,
		"Rejected":  &q.Rejected,
		"Local":     &q.Local,
	})
	if err != nil {
		return Query{}, err
	}
	return q.checked()
}

// Payload is the bare URL when nothing else is set, which the oldest server and
// a person with nc understand, else the object.
func (q Query) Payload() (string, error) {
	q, err := q.checked()
	if err != nil {
		return "", err
	}
	if q == (Query{ServerURL: q.ServerURL}) && q.ServerURL[0] != '{' {
		return q.ServerURL, nil
	}
	line, err := appendJSON(nil, wireQuery(q))
	if err != nil {
		return "", err
	}
	return string(line), nil
}

func (q Query) checked() (Query, error) {
	if err := checkText(q.ServerURL, "server URL"); err != nil {
		return Query{}, err
	}
	if err := checkText(q.Rejected, "rejected token"); err != nil {
		return Query{}, err
	}
	q.ServerURL = strings.TrimSpace(q.ServerURL)
	if q.ServerURL == "" {
		return Query{}, ErrNoServerURL
	}
	if q.MinValid < 0 || q.MinValid > MaxMinValid {
		return Query{}, Errorf(CodeBadRequest, "MinValid must be 0 to %d seconds", MaxMinValid)
	}
	return q, nil
}

// Login is the payload of store.
type Login struct {
	ServerURL string
	Username  string
	Secret    string
}

// ParseLogin asks for what docker's helpers ask for, in their words.
func ParseLogin(payload string) (Login, error) {
	if err := checkText(payload, "payload"); err != nil {
		return Login{}, err
	}
	var l Login
	err := parseObject(payload, map[string]any{
		"ServerURL": &l.ServerURL,
		"Username":  &l.Username,
		"Secret":    &l.Secret,
	})
	if err != nil {
		return Login{}, err
	}
	for _, s := range []string{l.ServerURL, l.Username, l.Secret} {
		if err := checkText(s, "login"); err != nil {
			return Login{}, err
		}
	}
	l.ServerURL = strings.TrimSpace(l.ServerURL)
	switch {
	case l.ServerURL == "":
		return Login{}, ErrNoServerURL
	case l.Username == "":
		return Login{}, Errorf(CodeBadRequest, "no credentials username")
	}
	return l, nil
}

// Payload is the object, checked as ParseLogin checks it.
func (l Login) Payload() (string, error) {
	line, err := appendJSON(nil, wireLogin(l))
	if err != nil {
		return "", err
	}
	if _, err := ParseLogin(string(line)); err != nil {
		return "", err
	}
	return string(line), nil
}

// parseObject is stricter than json.Unmarshal, since two readers of one payload
// must not see two things: names match exactly and appear once, and nothing
// follows the object. Unknown members are ignored (§4). No error quotes the
// payload, which may hold a token (R12).
func parseObject(payload string, members map[string]any) error {
	malformed := Errorf(CodeBadRequest, "malformed JSON object")
	dec := json.NewDecoder(strings.NewReader(payload))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return malformed
	}
	seen := make(map[string]bool)
	for dec.More() {
		t, err := dec.Token()
		name, ok := t.(string)
		if err != nil || !ok {
			return malformed
		}
		if seen[name] {
			return Errorf(CodeBadRequest, "a member appears twice")
		}
		seen[name] = true
		var raw json.RawMessage
		if dec.Decode(&raw) != nil {
			return malformed
		}
		if dst, known := members[name]; known && json.Unmarshal(raw, dst) != nil {
			return Errorf(CodeBadRequest, "the value of a member has the wrong type")
		}
	}
	if _, err := dec.Token(); err != nil {
		return malformed
	}
	if _, err := dec.Token(); err != io.EOF {
		return malformed
	}
	return nil
}

// appendJSON writes v on one line without an LF. HTML is not escaped: URLs and
// "<token>" stay readable for a person with nc.
func appendJSON(dst []byte, v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return dst, err
	}
	return append(dst, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...), nil
}
