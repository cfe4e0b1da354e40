package ijson

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// BenchmarkAppend writes a credential with a token of 1 KB, here and with encoding/json.
func BenchmarkAppend(b *testing.B) {
	credential := struct {
		ServerURL string
		Username  string
		Secret    string
		Expires   time.Time
		Headers   map[string]string `json:",omitempty"`
	}{"https://fal.run/fal-ai/flux/dev", "Bearer", strings.Repeat("eyJhbGciOiJSUzI1NiIs", 50), time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC), nil}
	buf := make([]byte, 0, 4<<10)
	b.Run("ijson", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c := &credential
			line, err := Append(buf, Member{Name: "ServerURL", Value: &c.ServerURL}, Member{Name: "Username", Value: &c.Username},
				Member{Name: "Secret", Value: &c.Secret}, Member{Name: "Expires", Value: &c.Expires, OmitEmpty: true},
				Member{Name: "Headers", Value: &c.Headers, OmitEmpty: true})
			if err != nil || len(line) < 1000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if line, err := json.Marshal(&credential); err != nil || len(line) < 1000 {
				b.Fatal(err)
			}
		}
	})
}
