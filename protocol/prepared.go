package protocol

import (
	"bytes"
)

// Prepared is a credential's answer line but for its ServerURL. It is made when
// the credential changes, and any number of requests are answered from it at
// once. The zero value makes no answer: [Prepare] makes it.
type Prepared struct{ tail []byte }

// Prepare makes c's line; its ServerURL is left to [Prepared.Append]. The error is
// [ErrTooLong].
func Prepare(c Credential) (Prepared, error) {
	c.ServerURL = ""
	line, err := AppendAnswer(nil, c)
	if err != nil {
		return Prepared{}, err
	}
	_, tail, _ := bytes.Cut(line, []byte(`""`)) // ServerURL is the first member
	return Prepared{tail: tail}, nil
}

// Append appends the line for serverURL, LF included. With an error ([ErrTooLong])
// dst is returned as it was. It may be called from any goroutine.
func (p Prepared) Append(dst []byte, serverURL string) ([]byte, error) {
	n := len(dst)
	line := append(dst, `{"ServerURL":`...)
	if plain(serverURL) {
		line = append(append(append(line, `"`...), serverURL...), `"`...)
	} else {
		var err error
		if line, err = appendJSON(line, serverURL); err != nil {
			return dst, errInternal
		}
	}
	line = append(line, p.tail...)
	if len(line)-n > MaxLine {
		return dst, ErrTooLong
	}
	return line, nil
}

// plain is what stands in JSON as it is.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
