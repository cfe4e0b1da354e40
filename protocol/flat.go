package protocol

import (
	"maps"
	"slices"
	"strings"
)

// A credential is nearly always a flat object of plain strings, and is read and
// written as that here. Reflection would take an eighth of the exec'ed helper's
// life. Whatever looks different in any way is left to encoding/json.
// FuzzFlatCredential and FuzzAppendFlat compare the two.

// flatCredential reads a flat object of plain strings as encoding/json would, and
// leaves everything else to that.
func flatCredential(line string) (c Credential, ok bool) {
	rest, ok := strings.CutPrefix(line, "{")
	for ok {
		var name string
		if name, rest, ok = flatMember(rest); !ok {
			break
		}
		switch name {
		case "ServerURL":
			c.ServerURL, rest, ok = flatString(rest)
		case "Username":
			c.Username, rest, ok = flatString(rest)
		case "Secret":
			c.Secret, rest, ok = flatString(rest)
		case "Expires":
			var text string
			text, rest, ok = flatString(rest)
			ok = ok && c.Expires.UnmarshalText([]byte(text)) == nil
		case "Headers":
			ok = ok && c.Headers == nil
			if ok {
				c.Headers, rest, ok = flatMap(rest)
			}
		default:
			ok = false
		}
		if ok && rest == "}" {
			return c, true
		}
		if ok {
			rest, ok = strings.CutPrefix(rest, ",")
		}
	}
	return Credential{}, false
}

// flatMember reads a name and its colon.
func flatMember(s string) (name, rest string, ok bool) {
	if name, rest, ok = flatString(s); ok {
		rest, ok = strings.CutPrefix(rest, ":")
	}
	return name, rest, ok
}

func flatString(s string) (value, rest string, ok bool) {
	if s, ok = strings.CutPrefix(s, `"`); ok {
		value, rest, ok = strings.Cut(s, `"`)
	}
	return value, rest, ok && plain(value)
}

func flatMap(s string) (values map[string]string, rest string, ok bool) {
	values = map[string]string{}
	for rest, ok = strings.CutPrefix(s, "{"); ok; rest, ok = strings.CutPrefix(rest, ",") {
		var name, value string
		if name, rest, ok = flatMember(rest); ok {
			value, rest, ok = flatString(rest)
		}
		if !ok {
			break
		}
		values[name] = value
		if after, end := strings.CutPrefix(rest, "}"); end {
			return values, after, true
		}
	}
	return nil, "", false
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

// appendFlatError is for errors: those who send garbage have many of them made.
func appendFlatError(dst []byte, e *Error) (line []byte, ok bool) {
	if !plain(e.Message) || !plain(string(e.Code)) {
		return dst, false
	}
	line = append(append(dst, `{"Error":"`...), e.Message...)
	line = append(append(line, `","Code":"`...), e.Code...)
	return append(line, `"}`...), true
}

// appendFlat writes what encoding/json would.
func appendFlat(dst []byte, c Credential) (line []byte, ok bool) {
	for _, s := range []string{c.ServerURL, c.Username, c.Secret} {
		if !plain(s) {
			return dst, false
		}
	}
	line = append(append(dst, `{"ServerURL":"`...), c.ServerURL...)
	line = append(append(line, `","Username":"`...), c.Username...)
	line = append(append(line, `","Secret":"`...), c.Secret...)
	line = append(line, '"')
	if !c.Expires.IsZero() {
		var err error
		if line, err = c.Expires.AppendText(append(line, `,"Expires":"`...)); err != nil {
			return dst, false
		}
		line = append(line, '"')
	}
	before := `,"Headers":{"`
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		value := c.Headers[name]
		if !plain(name) || !plain(value) {
			return dst, false
		}
		line = append(append(line, before...), name...)
		line = append(append(line, `":"`...), value...)
		line = append(line, '"')
		before = `,"`
	}
	if len(c.Headers) > 0 {
		line = append(line, '}')
	}
	return append(line, '}'), true
}
