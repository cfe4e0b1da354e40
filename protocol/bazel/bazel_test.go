package bazel

import (
	"testing"
	"time"

	"github.com/falcred/falcred/protocol"
)

func TestParseRequest_Section4(t *testing.T) {
	for payload, want := range map[string]string{
		`{"uri":"https://fal.run/x"}`: "https://fal.run/x", "{ \"more\": [1],\n\"uri\" : \"a\" }": "a", `{"uri":5}`: "", `{"uri":null}`: "", `{"uri":""}`: "",
	} {
		if uri, ok := ParseRequest(payload); !ok || uri != want {
			t.Errorf("%s: %q, %t", payload, uri, ok)
		}
	}
	for _, payload := range []string{
		"", "https://fal.run", "{}", `{"URI":"a"}`, `{"uri":"a","ServerURL":"b"}`, `{"uri":"a","uri":"b"}`, `{"uri":"a"}x`, `["uri"]`, `{"uri":"a"`,
	} {
		if uri, ok := ParseRequest(payload); ok || uri != "" {
			t.Errorf("%q is a request for %q", payload, uri)
		}
	}
}

func TestAppendAnswer_Section4(t *testing.T) {
	for want, cred := range map[string]protocol.Credential{
		`{"headers":{"Authorization":["Key a:b"]}}`: {Username: "Key", Secret: "a:b"},
		`{"headers":{"Authorization":["Bearer t"],"X-A":["1"],"X-Fal-User-Id":["u"]},"expires":"2026-08-01T11:00:00Z"}`: {
			Username: "Bearer", Secret: "t", Headers: map[string]string{"X-Fal-User-Id": "u", "X-A": "1"},
			Expires: time.Date(2026, 8, 1, 12, 0, 0, 5e8, time.FixedZone("", 3600)),
		},
	} {
		if line, err := AppendAnswer([]byte("> "), cred); err != nil || string(line) != "> "+want+"\n" {
			t.Errorf("%s, %v, not %s", line, err, want)
		}
	}
}
