package dockercred

import (
	"encoding/json"
	"strings"
	"testing"

	falenv "github.com/falcred/falcred/protocol/env"
)

// Whatever comes on standard input, a key is printed only for a server that is
// answered for (§4), and what is printed is one line of JSON.
func FuzzGetInput(f *testing.F) {
	for _, seed := range []string{
		"https://fal.run", "fal.run\n", " https://fal.ai/x \r\n", "https://example.com", "fal.run\n.example.com", `{"uri":"https://fal.run/x"}`,
		`{"uri":"https://example.com"}`, `{"uri":"https://fal.run","uri":"https://example.com"}`, `{"uri":"https://fal.run","ServerURL":"x"}`, `{"URI":"https://fal.run"}`,
		"{\n\"uri\":\n\"https://fal.run\"}", `{"ServerURL":"https://fal.run","ForceUser":true}`, `{"ServerURL":"fal.run","Rejected":"x"}`, `{"uri":1}`, `{"uri":"https://fal.run"}x`,
		"{", "", "\x00", `{"uri":"https://fal.run\u0000"}`, "\xef\xbb\xbfhttps://fal.run",
	} {
		f.Add(seed)
	}
	const key = "id:0123456789abcdef"
	env := map[string]string{"FAL_KEY": key, "FALCRED_AUTOSTART": "0", "FAL_HOME_DIR": f.TempDir()}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	servers, err := falenv.NewServers(func(string) string { return "" })
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var out, hints strings.Builder
		code := Run([]string{"get"}, strings.NewReader(in), &out, &hints, lookup)
		if code != 0 {
			if strings.Contains(out.String()+hints.String(), key) {
				t.Fatalf("%q fails and prints the key", in)
			}
			return
		}
		if !json.Valid([]byte(out.String())) || strings.Count(out.String(), "\n") > 1 {
			t.Fatalf("%q is answered %q", in, out.String())
		}
		if asked := askedFor(in); !servers.Match(asked) {
			t.Fatalf("%q is answered, and asks for %q", in, asked)
		}
	})
}

// askedFor is the server of an input, as encoding/json reads it: a second
// opinion beside the strict reading of the program.
func askedFor(in string) string {
	var object map[string]any
	if json.Unmarshal([]byte(in), &object) != nil {
		return in
	}
	server, docker := object["ServerURL"].(string)
	if uri, ok := object["uri"].(string); ok && !docker {
		return uri
	}
	return server
}
