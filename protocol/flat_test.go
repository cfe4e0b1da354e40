package protocol

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

var flatSeeds = []string{
	`{"ServerURL":"https://fal.run","Username":"Bearer","Secret":"a.b.c","Expires":"2026-11-23T08:00:00Z","Headers":{"X-Fal-User-Id":"u"}}`,
	`{"ServerURL":"https://fal.run","Username":"Key","Secret":"id:secret"}`,
	`{"Secret":"a","Secret":"b"}`, `{"Headers":{"a":"b","a":"c"}}`, `{"Headers":{"a":"b"},"Headers":{"c":"d"}}`, `{"Headers":{}}`, `{}`,
	`{"Secret":"a",}`, `{"Secret":"a"}}`, `{"Secret":"a"`, `{"secret":"a"}`, `{"Secret":1}`, `{"Secret":null}`, `{"Secret":"\u0061"}`,
	`{"Expires":"2026-11-23T8:00:00Z"}`, `{"Expires":"2026-11-23T08:00:00,5Z"}`, `{"Expires":"2026-11-23T08:00:00.5+01:00"}`, `{"Expires":""}`,
	`{"Error":"x","Code":"internal"}`, `{"Secret":"a","Error":"x","Code":"internal"}`, "{\"Secret\":\"\xff\"}", `{"Headers":{"a":"b"`, `{"Headers":{"a":"b",}}`,
}

// What is read without encoding/json is what that would have read.
func FuzzFlatCredential(f *testing.F) {
	for _, seed := range flatSeeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		got, ok := flatCredential(line)
		if !ok {
			return
		}
		var want Credential
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatalf("%q is read, and malformed: %v", line, err)
		}
		if !got.Expires.Equal(want.Expires) {
			t.Fatalf("%q: until %v, not %v", line, got.Expires, want.Expires)
		}
		got.Expires, want.Expires = time.Time{}, time.Time{}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, not %#v", line, got, want)
		}
	})
}

// What is written without encoding/json is what that would have written, and is
// read back.
func FuzzAppendFlat(f *testing.F) {
	f.Add("https://fal.run", "Bearer", "a.b.c", int64(1_700_000_000), "X-Fal-User-Id", "u")
	f.Add("", "", "", int64(0), "", "")
	f.Add("\"", "\\", "é<>&\u2028", int64(-1), "\x7f", "\x00")
	f.Add("a", "b", "c", int64(0), "d\"", "e")
	f.Add("a", "b", "c", int64(0), "d", "e\n")
	f.Add("a", "b", "c", int64(1<<40), "d", "e") // the year 36812
	f.Fuzz(func(t *testing.T, server, username, secret string, expires int64, name, value string) {
		c := Credential{ServerURL: server, Username: username, Secret: secret, Headers: map[string]string{name: value, "b": "c"}}
		if expires != 0 {
			c.Expires = time.Unix(expires, 0).UTC()
		}
		e := &Error{Message: secret, Code: Code(value)}
		if line, ok := appendFlatError(nil, e); ok {
			if want, err := appendJSON(nil, e); err != nil || string(line) != string(want) {
				t.Fatalf("%s, not %s (%v)", line, want, err)
			}
		}
		line, ok := appendFlat([]byte("before"), c)
		if !ok {
			if string(line) != "before" {
				t.Fatalf("half a line is left: %q", line)
			}
			return
		}
		want, err := appendJSON([]byte("before"), wireCredential(c))
		if err != nil || string(line) != string(want) {
			t.Fatalf("%s, not %s (%v)", line, want, err)
		}
		if again, ok := flatCredential(strings.TrimPrefix(string(line), "before")); !ok || !reflect.DeepEqual(again, c) {
			t.Fatalf("%s is read back as %#v", line, again)
		}
	})
}

// The usual lines take the short way.
func TestFlatIsUsual(t *testing.T) {
	for _, line := range flatSeeds[:2] {
		c, ok := flatCredential(line)
		if !ok {
			t.Fatalf("%s is not read", line)
		}
		if again, ok := appendFlat(nil, c); !ok || string(again) != line {
			t.Errorf("%s became %s", line, again)
		}
	}
	for _, none := range []map[string]string{nil, {}} {
		c := Credential{Headers: none}
		want, err := appendJSON(nil, wireCredential(c))
		if line, ok := appendFlat(nil, c); err != nil || !ok || string(line) != string(want) {
			t.Errorf("%s, not %s (%v)", line, want, err)
		}
	}
}
