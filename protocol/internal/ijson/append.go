package ijson

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

var errValue = errors.New("not a value of the wire")

// Append appends an object on one line. HTML is not escaped: URLs and "<token>" stay
// readable for a person. What is not graphic is, so that no terminal that shows the line is
// commanded by it. Bytes that are not UTF-8 become U+FFFD. The error is that of a time
// outside of the years 0 to 9999.
func Append(dst []byte, members ...Member) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for _, m := range members {
		if m.OmitEmpty && empty(m.Value) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(appendString(dst, m.Name), ':')
		var err error
		if dst, err = appendValue(dst, m.Value); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func empty(value any) bool {
	switch value := value.(type) {
	case *string:
		return *value == ""
	case **string:
		return *value == nil
	case *bool:
		return !*value
	case *int:
		return *value == 0
	case *time.Time:
		return value.IsZero()
	case *[]string:
		return len(*value) == 0
	case *map[string]string:
		return len(*value) == 0
	}
	return false
}

func appendValue(dst []byte, value any) ([]byte, error) {
	switch value := value.(type) {
	case *string:
		return appendString(dst, *value), nil
	case **string:
		if *value != nil {
			return appendString(dst, **value), nil
		}
	case *bool:
		return strconv.AppendBool(dst, *value), nil
	case *int:
		return strconv.AppendInt(dst, int64(*value), 10), nil
	case *time.Time:
		dst, err := value.AppendText(append(dst, '"'))
		return append(dst, '"'), err
	case *[]string:
		return appendStrings(dst, *value), nil
	case *map[string]string:
		return Append(dst, Strings(*value)...)
	case []Member:
		return Append(dst, value...)
	}
	return nil, errValue
}

// Strings are the members of an object that holds strings only, in the order of their
// names.
func Strings(object map[string]string) []Member {
	var members []Member
	for _, name := range slices.Sorted(maps.Keys(object)) {
		value := object[name]
		members = append(members, Member{Name: name, Value: &value})
	}
	return members
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, text := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, text)
	}
	return append(dst, ']')
}

// appendString copies what needs no escape in runs: almost all of a token does not.
func appendString(dst []byte, text string) []byte {
	dst = append(slices.Grow(dst, len(text)+2), '"') // a token's 1 KB would be copied five times
	for text != "" {
		n := verbatim(text)
		dst = append(dst, text[:n]...)
		if text = text[n:]; text != "" {
			r, size := utf8.DecodeRuneInString(text)
			dst = appendEscaped(dst, r)
			text = text[size:]
		}
	}
	return append(dst, '"')
}

// verbatim is the length of the text up to what is not written as it stands there: '"',
// '\\', what is not graphic, or a byte that is not UTF-8.
func verbatim(text string) int {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c < ' ', c == '"', c == '\\', c == 0x7f:
			return i
		case c < utf8.RuneSelf:
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && size == 1 || !strconv.IsGraphic(r) {
			return i
		}
		i += size
	}
	return len(text)
}

// appendEscaped appends what may not stand in a string as it is. A byte that is not
// UTF-8 is [utf8.RuneError].
func appendEscaped(dst []byte, r rune) []byte {
	const hex = "0123456789abcdef"
	if r == utf8.RuneError {
		return utf8.AppendRune(dst, r)
	}
	for i := 0; i < len(escapes); i += 2 {
		if rune(escapes[i+1]) == r {
			return append(dst, '\\', escapes[i])
		}
	}
	if r > 0xffff { // RFC 8259 §7: as UTF-16 has it
		high, low := utf16.EncodeRune(r)
		return appendEscaped(appendEscaped(dst, high), low)
	}
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
