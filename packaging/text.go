package packaging

import (
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sortedKeys: the same input makes the same file.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func escapeXML(s string) string {
	var out strings.Builder
	xml.EscapeText(&out, []byte(s)) // a Builder never fails
	return out.String()
}

// values are what varies in a file, quoted as they stand in it.
type values map[string]string

// fill puts values where a file names them, {{Name}}, and leaves lines out: those
// from {{if Name}} to {{end}} where there is no such value, those from {{if not
// Name}} where there is one. text/template could do it too; it looks up methods by
// name, for which the linker keeps a fifth more of falcred.
func fill(name string, v values) (string, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	open, left := false, false
	for line := range strings.Lines(string(text)) {
		condition, isIf := strings.CutPrefix(strings.TrimSpace(line), "{{if ")
		switch {
		case isIf:
			key, negated := strings.CutPrefix(strings.TrimSuffix(condition, "}}"), "not ")
			value, known := v[key]
			if !known || open {
				return "", fmt.Errorf("%s: {{if %s}} is not known, or stands in another", name, key)
			}
			open, left = true, (value == "") != negated
		case strings.TrimSpace(line) == "{{end}}":
			open, left = false, false
		case !left:
			whole, err := v.in(line)
			if err != nil {
				return "", fmt.Errorf("%s: %w", name, err)
			}
			out.WriteString(whole)
		}
	}
	if open {
		return "", fmt.Errorf("%s: no {{end}}", name)
	}
	return out.String(), nil
}

// in looks at each name once: a value that looks like a name is a value.
func (v values) in(line string) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(line, "{{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		name, after, _ := strings.Cut(rest, "}}")
		value, known := v[name]
		if !known {
			return "", fmt.Errorf("nothing is known of {{%s}}", name)
		}
		out.WriteString(value)
		line = after
	}
}
