package packaging

import (
	"encoding/xml"
	"maps"
	"slices"
	"strings"
)

// sortedKeys: the same input makes the same file.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func escapeXML(s string) (string, error) {
	var out strings.Builder
	err := xml.EscapeText(&out, []byte(s))
	return out.String(), err
}
