package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol/env"
)

// R10: after three rotations and 24 h in doubt, doctor, another process, names
// key, algorithm and set, printable and bounded.
func TestDoctorNamesALongDoubt_R10(t *testing.T) {
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, env.TokenFile), []byte("r\na"), 0o600); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const keys = "https://issuer.example.com/.well-known/jwks.json"
		begun := time.Now()
		doubt := journal.Doubted{}.Again("r", "none of the issuer's keys verifies it", "a-key", "EdDSA", keys, begun)
		cfg := Config{Config: login.Config{Home: home}}
		examine := func(d journal.Doubted) (Finding, bool) {
			t.Helper()
			if err := (journal.Ledger{Doubt: d}).Save(home); err != nil {
				t.Fatal(err)
			}
			return examineDoubt(cfg)
		}
		rotated := func(n int) journal.Doubted {
			d := doubt
			d.Rotations = n
			return d
		}
		for _, after := range []time.Duration{0, 24*time.Hour - time.Second} {
			time.Sleep(time.Until(begun.Add(after))) // of the bubble's clock
			if f, ok := examine(rotated(50)); ok {
				t.Errorf("after %v: %+v", after, f)
			}
		}
		time.Sleep(time.Second)
		if f, ok := examine(rotated(2)); ok {
			t.Errorf("after two rotations: %+v", f)
		}
		f, ok := examine(rotated(3))
		for _, named := range []string{begun.Format(time.DateOnly), "3 rotations", "none of the issuer's keys", `"a-key"`, "EdDSA", keys} {
			if !ok || f.Result != Warn || f.Hint == "" || !strings.Contains(f.Text, named) {
				t.Errorf("doctor says %+v, %v: no %q", f, ok, named)
			}
		}
		odd := rotated(3) // as no falcred writes it
		odd.Cause, odd.Key = "\x1b[31mcause", "\x1b]0;é\a"
		odd.Algorithm, odd.Keys = "\x1b[2J"+strings.Repeat("x", 1<<12), "https://\x1b/"+strings.Repeat("y", 1<<12)
		if f, ok := examine(odd); !ok || len(f.Text) > 1000 || strings.ContainsAny(f.Text, "\x1b\a") || !strings.Contains(f.Text, `"?]0;??"`) {
			t.Errorf("%v, %d bytes: %q", ok, len(f.Text), f.Text)
		}
		another := rotated(3)
		another.Login = doubt.Again("another", "", "", "", "", begun).Login
		for what, d := range map[string]journal.Doubted{"another login's": another, "one that is over": {}} {
			if f, ok := examine(d); ok {
				t.Errorf("doctor names a doubt, %s: %+v", what, f)
			}
		}
	})
}
