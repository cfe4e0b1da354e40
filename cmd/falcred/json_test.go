package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/falcred/falcred/protocol"
)

// What is Hint now was Mend once, and programs read that: JSON has both.
func TestJSONNamesAHintAlsoMend(t *testing.T) {
	type hinted struct{ Hint, Mend string }
	both := hinted{"do <this>", "do <this>"}
	decode := func(v, into any) {
		t.Helper()
		var out bytes.Buffer
		if err := printJSON(&out, v); err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(out.Bytes(), []byte("do <this>")) {
			t.Errorf("escaped: %s", out.Bytes())
		}
		if err := json.Unmarshal(out.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	var findings []hinted
	decode(examineDaemon(t.Context(), &standing{Error: "it hangs", Hint: "do <this>"}, nil), &findings)
	if len(findings) != 1 || findings[0] != both {
		t.Errorf("doctor: %+v", findings)
	}
	var status struct {
		hinted
		Daemon, Shell hinted
	}
	s := standing{Hint: "do <this>", Shell: shell{Hint: "do <this>"}, Daemon: &protocol.Status{Hint: "do <this>"}}
	decode(s.withMend(), &status)
	if status.hinted != both || status.Daemon != both || status.Shell != both {
		t.Errorf("status: %+v", status)
	}
}
