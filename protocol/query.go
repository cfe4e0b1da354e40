package protocol

import (
	"strings"

	"github.com/falcred/falcred/protocol/internal/ijson"
)

// Query is the payload of get and watch, and of erase, which uses ServerURL and Local
// only. It is printed as "[hidden]" ([Secret]).
type Query struct {
	hidden
	ServerURL string
	ForceUser bool   // skip the daemon's own keys
	MinValid  int    // seconds, best effort
	Rejected  Secret // one that a server answered with 401
	Local     bool   // erase: delete the login here without revoking it

	// Team is the nickname of whom requests with this credential are attributed to: nil leaves that
	// to the fal config, "" is the login's own account. The answer repeats it ([Credential.IsFor]).
	Team *string
}

func (q *Query) members() []ijson.Member {
	return []ijson.Member{
		{Name: "ServerURL", Value: &q.ServerURL},
		{Name: "ForceUser", Value: &q.ForceUser, OmitEmpty: true},
		{Name: "MinValid", Value: &q.MinValid, OmitEmpty: true},
		{Name: "Rejected", Value: (*string)(&q.Rejected), OmitEmpty: true},
		{Name: "Local", Value: &q.Local, OmitEmpty: true},
		{Name: "Team", Value: &q.Team, OmitEmpty: true},
	}
}

// ParseQuery reads a bare URL or host, or an object (the first byte is '{'), which
// may stand on several lines where it comes from no line of the wire.
func ParseQuery(payload string) (Query, error) {
	payload = strings.TrimSpace(payload)
	q := Query{ServerURL: payload}
	if strings.HasPrefix(payload, "{") {
		q = Query{}
		if err := parseObject(payload, q.members()); err != nil {
			return Query{}, err
		}
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
	object, err := ijson.Append(nil, q.members()...)
	return string(object), err
}

func (q Query) checked() (Query, error) {
	if err := checkText(q.ServerURL, "server URL"); err != nil {
		return Query{}, err
	}
	if err := checkText(string(q.Rejected), "rejected token"); err != nil {
		return Query{}, err
	}
	if q.Team != nil {
		if err := checkText(*q.Team, "team"); err != nil {
			return Query{}, err
		}
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

// Login is the payload of store. It is printed as "[hidden]" ([Secret]).
type Login struct {
	ServerURL string
	Username  string
	Secret    // the refresh token
}

func (l *Login) members() []ijson.Member {
	return []ijson.Member{
		{Name: "ServerURL", Value: &l.ServerURL},
		{Name: "Username", Value: &l.Username},
		{Name: "Secret", Value: (*string)(&l.Secret)},
	}
}

// ParseLogin asks for what docker's helpers ask for, in their words. The object may
// stand on several lines, as that of [ParseQuery].
func ParseLogin(payload string) (Login, error) {
	var l Login
	if err := parseObject(payload, l.members()); err != nil {
		return Login{}, err
	}
	for _, s := range []string{l.ServerURL, l.Username, string(l.Secret)} {
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
	object, err := ijson.Append(nil, l.members()...)
	if err != nil {
		return "", err
	}
	if _, err := ParseLogin(string(object)); err != nil {
		return "", err
	}
	return string(object), nil
}

// parseObject: unknown members are ignored.
func parseObject(payload string, members []ijson.Member) error {
	read, err := ijson.Read(payload)
	if err == nil {
		err = read.Into(members...)
	}
	if err != nil {
		return Errorf(CodeBadRequest, "%s", err)
	}
	return nil
}
