package protocol

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// A new verb has to be added to doc.go (what it answers, whether others may ask for it,
// whether it may be repeated), to the transcripts of README.md, to result of package server,
// which also names all of them to a client that asks for another, to Client of package helper, and to
// §4 and S7 of daemon/DESIGN.md.

// The verbs of version 1 of the wire.
const (
	VerbGet     = "get"
	VerbList    = "list"
	VerbStore   = "store"
	VerbErase   = "erase"
	VerbStatus  = "status"
	VerbVersion = "version"
	VerbWatch   = "watch"
	VerbStop    = "stop"
)

// maxVerb bounds what an "unknown verb" message can quote.
const maxVerb = 32

// Request is one line: a verb and, after one space, its payload. It is printed as
// "[hidden]" ([Secret]): a payload can hold a token.
type Request struct {
	hidden
	Verb    string
	Payload string
}

// ParseRequest splits a line that a [Reader] returned. Whether the verb
// exists is the server's matter; here only its form is checked.
func ParseRequest(line string) (Request, error) {
	verb, payload, _ := strings.Cut(line, " ")
	r := Request{Verb: verb, Payload: strings.Trim(payload, " ")}
	if line == "" {
		return Request{}, errEmpty
	}
	if err := r.check(); err != nil {
		return Request{}, err
	}
	return r, nil
}

// Append appends the request's line, LF included. It makes the same checks as
// ParseRequest, so nothing that a client is given can become a second request
// (refused at both ends).
func (r Request) Append(dst []byte) ([]byte, error) {
	r.Payload = strings.Trim(r.Payload, " ")
	if err := r.check(); err != nil {
		return dst, err
	}
	n := len(r.Verb) + 1
	if r.Payload != "" {
		n += 1 + len(r.Payload)
	}
	if n > MaxLine {
		return dst, ErrTooLong
	}
	dst = append(slices.Grow(dst, n), r.Verb...)
	if r.Payload != "" {
		dst = append(append(dst, ' '), r.Payload...)
	}
	return append(dst, '\n'), nil
}

func (r Request) check() error {
	if !validVerb(r.Verb) {
		return errVerb
	}
	if err := checkText(r.Payload, "payload"); err != nil {
		return err
	}
	return nil
}

func validVerb(verb string) bool {
	if verb == "" || len(verb) > maxVerb {
		return false
	}
	for i := range len(verb) {
		c := verb[i]
		if (c < 'a' || c > 'z') && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}

// checkText refuses what must not travel in a line. What was wrong is named by
// kind only: the text may be a secret.
func checkText(s, what string) *Error {
	if !utf8.ValidString(s) {
		return Errorf(CodeBadRequest, "%s is not valid UTF-8", what)
	}
	if hasControl(s) {
		return Errorf(CodeBadRequest, "control byte in the %s", what)
	}
	return nil
}

func hasControl(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] == 0x7f {
			return true
		}
	}
	return false
}
