package daemon

import (
	"strings"
	"testing"
)

// falcred.env: an error never quotes a line, which may hold a key (R12).
func FuzzParseEnv(f *testing.F) {
	f.Add("A=b\n# c\nexport D='e f'\n")
	f.Add("FAL_KEY SECRETSECRET")
	f.Fuzz(func(t *testing.T, text string) {
		vars, err := parseEnv(text)
		for _, v := range vars {
			if !envName(v[0]) || strings.ContainsRune(v[1], 0) {
				t.Fatalf("accepted %q", v)
			}
		}
		if err != nil && len(err.Error()) > 60 {
			t.Fatalf("the error quotes its line: %v", err)
		}
	})
}
