// Package ijson reads and writes the JSON of the wire: objects of plain members, whose
// names and types are known. It is not encoding/json because docker-credential-fal is a
// new process for each credential: reflection would be a sixth of that program's size
// and a tenth of its life.
//
// What it reads is I-JSON (RFC 7493), on which any two readers agree: JSON (RFC 8259) in
// UTF-8, without a name twice in an object and without half a surrogate pair. A value may
// be nested 100 deep. No error quotes the text, which may hold a token.
package ijson

import (
	"errors"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// The errors of reading.
var (
	ErrSyntax = errors.New("malformed JSON object")
	ErrTwice  = errors.New("a member appears twice")
	ErrType   = errors.New("the value of a member has the wrong type")
)

// Member is a member of an object, and where its value is.
type Member struct {
	Name string
	// Value is a *string, *bool, *int, *time.Time (RFC 3339), *[]string or
	// *map[string]string; to write, also a []Member.
	Value     any
	OmitEmpty bool // not written where it is false, 0, "", the zero time, or has nothing in it
}

// Object is an object that was read: its members' values, as text, by name.
type Object map[string]string

// Read reads an object. White space may be around it, and nothing else.
func Read(text string) (Object, error) {
	object, twice := Object{}, false
	s := scanner{rest: text}
	ok := s.object(func(name string) bool {
		value, ok := s.value()
		_, seen := object[name]
		object[name], twice = value, twice || seen
		return ok
	})
	switch {
	case !ok || !s.atEnd() || !utf8.ValidString(text):
		return nil, ErrSyntax
	case twice:
		return nil, ErrTwice
	}
	return object, nil
}

// Into sets those of the members that the object has, and ignores what else it has.
// null is as if it were not there.
func (o Object) Into(members ...Member) error {
	for _, m := range members {
		if value, ok := o[m.Name]; ok && value != "null" && !set(m.Value, value) {
			return ErrType
		}
	}
	return nil
}

// Strings is the whole object where it holds strings only.
func (o Object) Strings() (map[string]string, error) {
	strings := make(map[string]string, len(o))
	for name, value := range o {
		var ok bool
		if strings[name], ok = (&scanner{rest: value}).string(); !ok {
			return nil, ErrType
		}
	}
	return strings, nil
}

// set reads a value, which is well formed, to where target points.
func set(target any, value string) (ok bool) {
	s := scanner{rest: value}
	switch target := target.(type) {
	case *string:
		*target, ok = s.string()
	case **string:
		var text string
		text, ok = s.string()
		*target = &text
	case *bool:
		*target = value == "true"
		ok = *target || value == "false"
	case *int:
		// A number of another machine's may be too large for an int of this one.
		n, err := strconv.ParseInt(value, 10, 64)
		*target = int(max(math.MinInt, min(n, math.MaxInt)))
		ok = err == nil
	case *time.Time:
		var text string
		text, ok = s.string()
		ok = ok && target.UnmarshalText([]byte(text)) == nil
	case *[]string:
		var list []string
		ok = s.array(func() bool {
			text, ok := s.string()
			list = append(list, text)
			return ok
		})
		*target = list
	case *map[string]string:
		var object Object
		var err error
		if object, err = Read(value); err == nil {
			*target, err = object.Strings()
		}
		ok = err == nil
	}
	return ok
}
