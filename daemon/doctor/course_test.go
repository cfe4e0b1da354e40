package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
)

// R8: doctor says how old the login is, and warns of one that nears the age at which the issuer
// has ended another.
func TestDoctorKnowsTheLoginsAge_R8(t *testing.T) {
	home := testkit.ShortDir(t)
	testkit.Must(t, os.WriteFile(filepath.Join(home, env.TokenFile), []byte("refresh"), 0o600))
	cfg := Config{Config: login.Config{Home: home}}
	if f, ok := examineCourse(cfg); ok {
		t.Errorf("nothing is known: %+v", f)
	}
	now, day := time.Now(), 24*time.Hour
	ended := journal.Course{}.Begin("before", now.Add(-60*day)).End("before", "revoked", true, now.Add(-30*day))
	for _, tt := range []struct {
		age    time.Duration
		result Result
		text   string
	}{
		{10 * day, OK, "for 10 days; the one before ended on "},
		{28 * day, Warn, "ended one that was 30 days old"},
	} {
		c := ended.Begin("refresh", now.Add(-tt.age))
		testkit.Must(t, journal.Ledger{Tip: tokenfile.Fingerprint("refresh"), Course: c}.Save(home))
		if f, ok := examineCourse(cfg); !ok || f.Result != tt.result || !strings.Contains(f.Text, tt.text) {
			t.Errorf("%v old: %+v", tt.age, f)
		}
	}
	testkit.Must(t, journal.Ledger{Course: ended}.Save(home))
	if f, ok := examineCourse(cfg); !ok || !strings.Contains(f.Text, "when it was 30 days old: revoked") {
		t.Errorf("%+v", f)
	}
}

// F1: doctor names a lock file that others can open.
func TestDoctorNamesAnExposedLock_F1(t *testing.T) {
	home := testkit.ShortDir(t)
	path := filepath.Join(home, tokenfile.LockName)
	testkit.Must(t, testkit.WriteFile(path, ""))
	if f := examineLock(home); f.Result != OK {
		t.Errorf("%+v", f)
	}
	testkit.Must(t, disk.Chmod(path, 0o644))
	if info, _ := disk.Stat(path); info.Mode().Perm() != 0o644 {
		t.Skip("access goes by other means here")
	}
	if f := examineLock(home); f.Result != Warn || !strings.Contains(f.Text, "others can open") {
		t.Errorf("%+v", f)
	}
}
