package ijson

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth keeps what a line can make the scanner's stack grow to small.
const maxDepth = 100

// scanner walks over a text of JSON. Each of its methods takes something from the
// beginning of rest and says whether it was there.
type scanner struct {
	rest  string
	depth int
}

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t\r\n") }

func (s *scanner) atEnd() bool {
	s.space()
	return s.rest == ""
}

// take takes a prefix, and the white space before it.
func (s *scanner) take(prefix string) (ok bool) {
	s.space()
	s.rest, ok = strings.CutPrefix(s.rest, prefix)
	return ok
}

// value takes any value, and returns its text.
func (s *scanner) value() (text string, ok bool) {
	s.space()
	before := s.rest
	switch {
	case s.rest == "":
		return "", false
	case s.rest[0] == '{':
		ok = s.object(s.any)
	case s.rest[0] == '[':
		ok = s.array(func() bool { return s.any("") })
	case s.rest[0] == '"':
		_, ok = s.string()
	case s.take("true"), s.take("false"), s.take("null"):
		ok = true
	default:
		ok = s.number()
	}
	return before[:len(before)-len(s.rest)], ok
}

func (s *scanner) any(string) bool {
	_, ok := s.value()
	return ok
}

// object has member take the value of each.
func (s *scanner) object(member func(name string) bool) bool {
	return s.list("{", "}", func() bool {
		name, ok := s.string()
		return ok && s.take(":") && member(name)
	})
}

func (s *scanner) array(element func() bool) bool { return s.list("[", "]", element) }

func (s *scanner) list(opening, closing string, item func() bool) bool {
	if s.depth++; s.depth > maxDepth || !s.take(opening) {
		return false
	}
	defer func() { s.depth-- }()
	if s.take(closing) {
		return true
	}
	for item() {
		if s.take(closing) {
			return true
		}
		if !s.take(",") {
			return false
		}
	}
	return false
}

// string takes a string, and returns what it stands for. Most have no escapes, and are
// what stands there.
func (s *scanner) string() (string, bool) {
	if !s.take(`"`) {
		return "", false
	}
	var unescaped []byte
	for {
		end := 0
		for end < len(s.rest) && s.rest[end] >= ' ' && s.rest[end] != '"' && s.rest[end] != '\\' {
			end++
		}
		if end == len(s.rest) || s.rest[end] < ' ' {
			return "", false
		}
		part, quote := s.rest[:end], s.rest[end] == '"'
		s.rest = s.rest[end+1:]
		if quote && unescaped == nil {
			return part, true
		}
		unescaped = append(unescaped, part...)
		if quote {
			return string(unescaped), true
		}
		r, ok := s.escaped()
		if !ok {
			return "", false
		}
		unescaped = utf8.AppendRune(unescaped, r)
	}
}

// escapes are the letters after a backslash, and what they stand for.
const escapes = `""\\//b` + "\bf\fn\nr\rt\t"

// escaped takes what follows a backslash.
func (s *scanner) escaped() (rune, bool) {
	if s.rest == "" {
		return 0, false
	}
	letter := s.rest[0]
	s.rest = s.rest[1:]
	if letter == 'u' {
		return s.codePoint()
	}
	for i := 0; i < len(escapes); i += 2 {
		if escapes[i] == letter {
			return rune(escapes[i+1]), true
		}
	}
	return 0, false
}

// codePoint takes four digits, or the eight of a surrogate pair.
func (s *scanner) codePoint() (rune, bool) {
	r, ok := s.hex4()
	if !ok || !utf16.IsSurrogate(r) {
		return r, ok
	}
	if s.rest, ok = strings.CutPrefix(s.rest, `\u`); !ok {
		return 0, false
	}
	low, ok := s.hex4()
	r = utf16.DecodeRune(r, low)
	return r, ok && r != utf8.RuneError
}

func (s *scanner) hex4() (rune, bool) {
	if len(s.rest) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s.rest[:4], 16, 16)
	s.rest = s.rest[4:]
	return rune(n), err == nil
}

// number takes a number as RFC 8259 §6 has it.
func (s *scanner) number() bool {
	s.rest = strings.TrimPrefix(s.rest, "-")
	if after, ok := strings.CutPrefix(s.rest, "0"); ok {
		s.rest = after // and no digit follows
	} else if !s.digits() {
		return false
	}
	if after, ok := strings.CutPrefix(s.rest, "."); ok {
		s.rest = after
		if !s.digits() {
			return false
		}
	}
	if s.rest != "" && s.rest[0]|0x20 == 'e' {
		s.rest = s.rest[1:]
		if s.rest != "" && (s.rest[0] == '+' || s.rest[0] == '-') {
			s.rest = s.rest[1:]
		}
		return s.digits()
	}
	return true
}

func (s *scanner) digits() bool {
	after := strings.TrimLeft(s.rest, "0123456789")
	some := len(after) < len(s.rest)
	s.rest = after
	return some
}
