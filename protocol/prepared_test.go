package protocol

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// §4: a prepared answer is the same line as one that is made for the request.
func TestPrepared(t *testing.T) {
	c := Credential{Username: "Bearer", Secret: `a"b`, Expires: time.Unix(1_700_000_000, 0).UTC(), Headers: map[string]string{"X-Fal-User-Id": "u"}}
	for _, c := range []Credential{c, {Username: "Key", Secret: "id:secret"}} {
		p, err := Prepare(c)
		if err != nil {
			t.Fatal(err)
		}
		for _, server := range []string{
			"https://fal.run", "", `https://fal.run/"x"`, `https://fal.run/\`, "https://fal.run/\u2028\u2029é<&>", "https://fal.run/\xff", "\x00\x7f",
		} {
			c.ServerURL = server
			want, err := AppendAnswer([]byte("before"), c)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := p.Append([]byte("before"), server); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q: %s, %v; want %s", server, got, err, want)
			}
		}
	}
}

// §4: a line has at most 64 KiB.
func TestPreparedTooLong(t *testing.T) {
	if _, err := Prepare(Credential{Secret: strings.Repeat("a", MaxLine)}); err != ErrTooLong {
		t.Errorf("Prepare: %v", err)
	}
	p, err := Prepare(Credential{Secret: strings.Repeat("a", MaxLine/2)})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := p.Append(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if line, err := p.Append(nil, strings.Repeat("b", MaxLine-len(whole))); err != nil || len(line) != MaxLine {
		t.Errorf("%d bytes, %v", len(line), err)
	}
	if line, err := p.Append([]byte("before"), strings.Repeat("b", MaxLine-len(whole)+1)); err != ErrTooLong || string(line) != "before" {
		t.Errorf("%d bytes, %v", len(line), err)
	}
}

func TestPreparedAllocatesNothing(t *testing.T) {
	p, err := Prepare(Credential{Username: "Bearer", Secret: strings.Repeat("a", 1000)})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 0, 4<<10)
	if n := testing.AllocsPerRun(100, func() { buf, _ = p.Append(buf[:0], "https://fal.run") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
