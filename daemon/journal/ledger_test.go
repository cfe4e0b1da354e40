package journal

import (
	"encoding/base64"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// TestLearnKeepsTheNewest_F5: of two lists the newest entries are kept, in whatever
// order they are merged.
func TestLearnKeepsTheNewest_F5(t *testing.T) {
	prints := make([]string, maxConsumed+40)
	for i := range prints {
		prints[i] = tokenfile.Fingerprint(string(rune(i)))
	}
	older, newer := prints[:maxConsumed], prints[40:]
	for name, merge := range map[string][2][]string{"the older one learns": {older, newer}, "the newer one learns": {newer, older}} {
		l := Ledger{Recent: merge[0]}.Learn(Ledger{Recent: merge[1]})
		if last := l.Recent[len(l.Recent)-1]; len(l.Recent) != maxConsumed || last != prints[len(prints)-1] || l.Recent[0] != newer[0] {
			t.Errorf("%s: %d entries, and the newest is not the last", name, len(l.Recent))
		}
	}
}

// TestMergeKeepsTheChain_F5: a daemon that had nothing to say takes nothing away.
func TestMergeKeepsTheChain_F5(t *testing.T) {
	l := Ledger{}.Step("a", tokenfile.TokenPair{Refresh: "b"})
	l = l.Belongs("b", "ann")
	was := l
	l = l.Merge(Ledger{Issuer: "x"})
	older := Ledger{}.Step("0", tokenfile.TokenPair{Refresh: "a"}) // its tip has been consumed since
	l = l.Merge(older)
	if l.Tip != was.Tip || l.Subject != "ann" || !l.Consumed("0") {
		t.Errorf("%+v became %+v", was, l)
	}
}

// TestMergeTakesTheUnwritten: the newest login, a wrong one and a team that could not be
// written down are in the next ledger.
func TestMergeTakesTheUnwritten(t *testing.T) {
	onDisk := Ledger{Issuer: "x", Team: Team{Name: "old", ID: "1"}, Unverified: "theirs"}.Step("a", tokenfile.TokenPair{Refresh: "b"})
	unwritten := onDisk.Step("b", tokenfile.TokenPair{Refresh: "c"})
	unwritten = unwritten.Belongs("c", "ann").Distrust(tokenfile.TokenPair{Refresh: "c", Access: "wrong"})
	unwritten.Team = Team{Name: "new", ID: "2"}
	l := onDisk.Merge(unwritten)
	if !l.IsTip("c") || l.SubjectOf("c") != "ann" || !l.Consumed("a") || !l.Consumed("b") || !l.Distrusts("c") ||
		l.Unverified != tokenfile.Fingerprint("wrong") || l.Team.ID != "2" || l.Issuer != "x" {
		t.Errorf("merged into %+v", l)
	}
}

// TestStep follows a chain: who it belongs to goes with it, and a token that the issuer
// did not rotate is not consumed.
func TestStep(t *testing.T) {
	claims := `{"sub":"ann","iat":1700000000,"exp":1700003600}`
	access := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
	l := Ledger{}.WithTip(tokenfile.TokenPair{Refresh: "a", Access: access}, "ann")
	if l.TipIssued != 1700000000 {
		t.Errorf("issued at %d", l.TipIssued)
	}
	l = l.Step("a", tokenfile.TokenPair{Refresh: "a", Access: "opaque"})
	if l.Subject != "ann" || l.Consumed("a") || !l.IsTip("a") || l.TipIssued != 0 {
		t.Errorf("not rotated: %+v", l)
	}
	l = l.Step("a", tokenfile.TokenPair{Refresh: "b"})
	if l.Subject != "ann" || !l.Consumed("a") || l.SubjectOf("b") != "ann" || l.SubjectOf("a") != "" {
		t.Errorf("rotated: %+v", l)
	}
	l.TipLasts = 300
	if l.Doubt = l.Doubt.Again("b", "why", "", "", "", time.Now()); !reflect.DeepEqual(l.Step("a", tokenfile.TokenPair{Refresh: "b"}), l) {
		t.Errorf("the same link once more, as after a kill: %+v", l.Step("a", tokenfile.TokenPair{Refresh: "b"}))
	}
	l = l.Step("somebody's", tokenfile.TokenPair{Refresh: "c"})
	if l.Subject != "" || !l.IsTip("c") {
		t.Errorf("another chain: %+v", l)
	}
	if l = l.Belongs("b", "ann"); l.Subject != "" {
		t.Error("an older token's account became the newest one's")
	}
	if w := l.Without("a"); w.Consumed("a") || !w.Consumed("somebody's") || !l.Consumed("a") {
		t.Errorf("without a: %+v of %+v", w, l)
	}
}

// TestAClientGoesWithItsChain_R13: through the rotations of its login, and no further; what
// was asked for last stays with the home.
func TestAClientGoesWithItsChain_R13(t *testing.T) {
	asked := Asked{ClientID: "c", Audience: "a", Scopes: "s"}
	l := Ledger{Asked: asked}.WithTip(tokenfile.TokenPair{Refresh: "a"}, "ann").MadeBy("a", "c").MadeBy("x", "d")
	if got := l.ClientOf(tokenfile.TokenPair{Refresh: "a"}); got != "c" {
		t.Errorf("made by %q", got)
	}
	next := l.Step("a", tokenfile.TokenPair{Refresh: "b"})
	if next.ClientOf(tokenfile.TokenPair{Refresh: "b"}) != "c" || next.ClientOf(tokenfile.TokenPair{Refresh: "a"}) != "" || next.Asked != asked {
		t.Errorf("rotated: %+v", next)
	}
	if other := next.Step("somebody's", tokenfile.TokenPair{Refresh: "d"}); other.ClientID != "" || other.Asked != asked {
		t.Errorf("another chain: %+v", other)
	}
	if merged := (Ledger{Issuer: "x"}).Merge(next); merged.ClientOf(tokenfile.TokenPair{Refresh: "b"}) != "c" || merged.Asked != asked {
		t.Errorf("merged: %+v", merged)
	}
	newer := Asked{ClientID: "newer"}
	if merged := (Ledger{Asked: newer}).Merge(next); merged.Asked != newer {
		t.Errorf("an older one is kept: %+v", merged)
	}
}

// TestADoubtGoesWithItsChain_R10: through the rotations of its login, and no further.
func TestADoubtGoesWithItsChain_R10(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	l := Ledger{Doubt: Doubted{}.Again("a", "no key", "kid\x1b[31m", strings.Repeat("x", 300), "https://x/keys", now)}
	if d := l.Doubt; !d.Of("a") || !d.Since.Equal(now.Truncate(time.Second)) || d.Key != "kid?[31m" || len(d.Algorithm) != 200 {
		t.Errorf("in doubt: %+v", d)
	}
	l = l.Step("a", tokenfile.TokenPair{Refresh: "b"})
	again := l.Doubt.Again("b", "still none", "kid", "RS256", "https://x/keys", now.Add(time.Hour))
	if !again.Of("b") || !again.Since.Equal(now.Truncate(time.Second)) || again.Cause != "still none" {
		t.Errorf("after a rotation: %+v", again)
	}
	if !strings.Contains(again.Warning(), `still none (key "kid", algorithm "RS256")`) {
		t.Errorf("it warns of %q", again.Warning())
	}
	if l = l.Step("another", tokenfile.TokenPair{Refresh: "c"}); l.Doubt != (Doubted{}) {
		t.Errorf("another login is in doubt: %+v", l.Doubt)
	}
	if (Doubted{}).Of("") {
		t.Error("no login is in doubt")
	}
}

// TestAVerdictIsKept_R10: a wrong ID token ends its login, for an earlier version by the
// access token; what only that version has called unverified is to be judged anew.
func TestAVerdictIsKept_R10(t *testing.T) {
	p := tokenfile.TokenPair{Refresh: "r", Access: "a"}
	l := Ledger{}.Distrust(p)
	if !l.Distrusts("r") || l.Unjudged(p) || l.Unverified != tokenfile.Fingerprint("a") {
		t.Errorf("wrong: %+v", l)
	}
	earlier := Ledger{Unverified: tokenfile.Fingerprint("a")}
	if !earlier.Unjudged(p) || earlier.Distrusts("r") || earlier.Unjudged(tokenfile.TokenPair{Refresh: "r"}) {
		t.Errorf("an earlier version's: %+v", earlier)
	}
	for i := range 40 {
		l = l.Distrust(tokenfile.TokenPair{Refresh: fmt.Sprint(i)})
	}
	if len(l.Wrong) != 16 || !l.Distrusts("39") || l.Distrusts("r") || l.Unverified != tokenfile.Fingerprint("a") {
		t.Errorf("%d wrong ones are kept; an earlier version distrusts %q", len(l.Wrong), l.Unverified)
	}
}

// TestALedgerIsAValue: what is made of a ledger does not change it, nor anything else
// that was made of it.
func TestALedgerIsAValue(t *testing.T) {
	full := Ledger{}
	for i := range maxConsumed {
		full = full.Consume(fmt.Sprint("old", i)).Distrust(tokenfile.TokenPair{Refresh: fmt.Sprint("wrong", i)})
	}
	roomy := Ledger{Recent: append(make([]string, 0, 8), "x"), Wrong: append(make(Fingerprints, 0, 8), "x")}
	for name, base := range map[string]Ledger{"full": full, "with room behind its lists": roomy} {
		changes := map[string]func(Ledger, string) Ledger{
			"Consume":  Ledger.Consume,
			"Step":     func(l Ledger, s string) Ledger { return l.Step(s, tokenfile.TokenPair{Refresh: s + "'"}) },
			"Distrust": func(l Ledger, s string) Ledger { return l.Distrust(tokenfile.TokenPair{Refresh: s, Access: s}) },
			"Learn":    func(l Ledger, s string) Ledger { return l.Learn(Ledger{Recent: []string{s}, Wrong: Fingerprints{s}}) },
			"Merge":    func(l Ledger, s string) Ledger { return l.Merge(Ledger{Recent: []string{s}, Wrong: Fingerprints{s}}) },
			"Without":  func(l Ledger, s string) Ledger { return l.Consume(s).Without("old1") },
			"WithTip":  func(l Ledger, s string) Ledger { return l.WithTip(tokenfile.TokenPair{Refresh: s}, s) },
			"Save":     func(l Ledger, s string) Ledger { testkit.Must(t, l.Consume(s).Save(newHome(t))); return l },
		}
		for change, do := range changes {
			copied := base
			copied.Recent, copied.Wrong = append([]string(nil), base.Recent...), append(Fingerprints(nil), base.Wrong...)
			one := do(base, "one")
			before := one
			before.Recent, before.Wrong = append([]string(nil), one.Recent...), append(Fingerprints(nil), one.Wrong...)
			do(base, "two")
			do(one, "three")
			if !reflect.DeepEqual(base, copied) {
				t.Errorf("%s: %s changed the ledger that it was asked of", name, change)
			}
			if !reflect.DeepEqual(one, before) {
				t.Errorf("%s: %s of the same ledger changed what was made of it before", name, change)
			}
		}
	}
}

// TestTheFormOnDisk: earlier versions read and write falcred.json too.
func TestTheFormOnDisk(t *testing.T) {
	home := newHome(t)
	path := filepath.Join(home, LedgerName)
	for _, text := range []string{
		`{
  "Issuer": "https://id.example.com",
  "Spent": [
    "0cc175b9c0f1b6a831c399e269772661"
  ],
  "Tip": "92eb5ffee6ae2fec3ad71c777531578f",
  "Subject": "ann",
  "TipIssued": 1700000000,
  "Doubt": {
    "Login": "92eb5ffee6ae2fec3ad71c777531578f",
    "Since": "2026-01-02T03:04:05Z",
    "Rotations": 2,
    "Cause": "no key verifies it",
    "Key": "k1",
    "Algorithm": "RS256",
    "Keys": "https://id.example.com/keys"
  },
  "Wrong": [
    "4a8a08f09d37b73795649038408b5f33"
  ],
  "Unverified": "8277e0910d750195b448797616e091ad",
  "Team": {
    "Name": "acme",
    "Subject": "ann",
    "ID": "team-1"
  }
}
`, `{
  "Issuer": "",
  "Spent": null,
  "Tip": "",
  "Subject": "",
  "Unverified": "",
  "Team": {
    "Name": "",
    "Subject": "",
    "ID": ""
  }
}
`,
	} {
		testkit.Must(t, os.WriteFile(path, []byte(text), 0o600))
		l, err := Load(home)
		testkit.Must(t, err)
		testkit.Must(t, l.Save(home))
		if data, _ := os.ReadFile(path); string(data) != text {
			t.Errorf("read %s\nand wrote %s", text, data)
		}
	}
}

// TestLoad: a home without the file is a new one; what is damaged, too long or no file is
// an error that says what to do, and quotes nothing.
func TestLoad(t *testing.T) {
	home := newHome(t)
	path := filepath.Join(home, LedgerName)
	if l, err := Load(home); err != nil || !reflect.DeepEqual(l, Ledger{}) {
		t.Errorf("no file: %+v, %v", l, err)
	}
	for content, hint := range map[string]string{
		`{"Spent":["a"],"Tip":5}`:   ": move it away",
		"a canary":                  ": move it away",
		strings.Repeat(" ", 65<<10): ": move it away",
	} {
		testkit.Must(t, os.WriteFile(path, []byte(content), 0o600))
		l, err := Load(home)
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), hint) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%.20q: %v", content, err)
		}
		if !reflect.DeepEqual(l, Ledger{}) {
			t.Errorf("%.20q: half of it is believed: %+v", content, l)
		}
	}
	testkit.Must(t, os.Remove(path))
	testkit.Must(t, os.Mkdir(path, 0o700))
	if _, err := Load(home); err == nil {
		t.Error("a folder was read")
	}
	if err := (Ledger{}).Save(home); err == nil {
		t.Error("a folder was written over")
	}
	if left, _ := os.ReadDir(home); len(left) != 1 {
		t.Errorf("the write that failed has left %v", left)
	}
}

// TestSaveWritesTheConsumedFirst_F5: falcred.json may fail, and falcred.consumed has the
// token all the same; the error says so.
func TestSaveWritesTheConsumedFirst_F5(t *testing.T) {
	home := newHome(t)
	testkit.Must(t, os.Mkdir(filepath.Join(home, LedgerName), 0o700))
	if err := (Ledger{}).Consume("a").Save(home); err == nil {
		t.Error("falcred.json was not written, and no error says so")
	}
	if used, err := Used(home, "a"); !used || err != nil {
		t.Errorf("used: %v, %v", used, err)
	}
	testkit.Must(t, os.Remove(filepath.Join(home, LedgerName)))
	testkit.Must(t, os.Remove(filepath.Join(home, ConsumedName)))
	testkit.Must(t, os.Mkdir(filepath.Join(home, ConsumedName), 0o700))
	testkit.Must(t, os.Remove(filepath.Join(home, ConsumedName)))
	testkit.Symlink(t, "/dev/null", filepath.Join(home, ConsumedName))
	if err := (Ledger{}).Consume("b").Save(home); err == nil {
		t.Error("falcred.consumed was not written, and no error says so")
	}
	if l, err := Load(home); err != nil || !l.Consumed("b") { // an earlier version's way, better than none
		t.Errorf("falcred.json has %+v, %v", l, err)
	}
}

// TestTheLedgerIsNoLink_F6: falcred.json is neither read nor written through a link.
func TestTheLedgerIsNoLink_F6(t *testing.T) {
	home := newHome(t)
	path := filepath.Join(home, LedgerName)
	secrets := linkTo(t, path)
	testkit.Must(t, os.WriteFile(secrets, []byte(`{"Tip":"canary"}`), 0o600))
	if _, err := Load(home); err == nil || !strings.Contains(err.Error(), path+" is a link") || strings.Contains(err.Error(), "canary") {
		t.Errorf("it was read: %v", err)
	}
	(Ledger{}).Save(home) // replaces the link, or fails
	if data, _ := os.ReadFile(secrets); string(data) != `{"Tip":"canary"}` {
		t.Errorf("the link's target holds %q", data)
	}
}

// TestSettleIssuer_R13: the first issuer of a home is its only one, and fal's own home is
// fal's from the start.
func TestSettleIssuer_R13(t *testing.T) {
	const fal, other = "https://fal.example/", "https://id.example.com"
	for _, c := range []struct {
		home     Ledger
		issuer   string
		falsHome bool
		refused  bool
	}{
		{Ledger{}, other, true, true},
		{Ledger{}, fal, true, false},
		{Ledger{}, other, false, false},
		{Ledger{Issuer: fal}, fal, true, false},
		{Ledger{Issuer: fal}, other, false, true},
		{Ledger{Issuer: fal}, other, true, true},
		{Ledger{Issuer: other}, other + "/", false, false}, // one document says which it is
		{Ledger{Issuer: other + "/"}, other, false, false},
		{Ledger{Issuer: other + "/a"}, other + "/b", false, true},
		{Ledger{Issuer: other}, other, true, false}, // it was asked for when the home was new
	} {
		l, err := c.home.SettleIssuer(c.issuer, fal, c.falsHome)
		if (err != nil) != c.refused {
			t.Errorf("%+v and %s: %v", c.home, c.issuer, err)
		}
		if want := c.issuer; err == nil && l.Issuer != want || err != nil && l.Issuer != c.home.Issuer {
			t.Errorf("%+v and %s: the home became %s's", c.home, c.issuer, l.Issuer)
		}
		if err != nil && c.home.Issuer != "" && !strings.HasSuffix(err.Error(), "\n"+IssuerHint) {
			t.Errorf("no hint in %q", err)
		}
	}
}

// TestRecover_F6: falcred.json holds no login: whatever stands in its place makes way, and is
// kept beside it. What is whole is read, whatever its mode.
func TestRecover_F6(t *testing.T) {
	whole := Ledger{Issuer: "https://id.example.com", Tip: "x"}
	write := func(text string) func(path string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for kind, tt := range map[string]struct {
		put  func(path string) error
		kept bool
	}{
		"nothing":         {os.Remove, false},
		"mode 000":        {func(p string) error { return disk.Chmod(p, 0) }, true},
		"mode 0444":       {func(p string) error { return disk.Chmod(p, 0o444) }, true},
		"a second name":   {func(p string) error { return os.Link(p, p+".backup") }, true},
		"empty":           {write(""), false},
		"NULs":            {write(strings.Repeat("\x00", 300)), false},
		"cut":             {write(`{"Issuer":"https://id.exa`), false},
		"70 KB":           {write(`{"Tip":"` + strings.Repeat("x", 70<<10) + `"}`), false},
		"another type":    {write(`["Issuer"]`), false},
		"a member's type": {write(`{"Issuer":5}`), false},
		"a folder":        {func(p string) error { os.Remove(p); return os.MkdirAll(filepath.Join(p, "x"), 0o700) }, false},
		"a link":          {func(p string) error { os.Remove(p); return testkit.TrySymlink("/etc/passwd", p) }, false},
		"a dangling link": {func(p string) error { os.Remove(p); return testkit.TrySymlink("/nonexistent", p) }, false},
	} {
		home := newHome(t)
		path := filepath.Join(home, LedgerName)
		testkit.Must(t, whole.Save(home))
		if testkit.NotHere(t, kind, tt.put(path)) {
			continue
		}
		l, err := Recover(home)
		if err != nil || (l.Issuer == whole.Issuer) != tt.kept {
			t.Errorf("%s: %+v, %v", kind, l, err)
		}
		if aside := len(strict.Aside(home)); (aside == 1) == (tt.kept || kind == "nothing") {
			t.Errorf("%s: set aside: %v", kind, strict.Aside(home))
		}
		if err := whole.Save(home); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if l, err := Load(home); err != nil || l.Issuer != whole.Issuer {
			t.Errorf("%s: written anew: %+v, %v", kind, l, err)
		}
	}
}

// TestTimesAreClamped_F6: whoever can write falcred.json can write any number: none is later
// than now.
func TestTimesAreClamped_F6(t *testing.T) {
	home := newHome(t)
	for _, issued := range []string{"9223372036854775807", "-9223372036854775808", "99999999999"} {
		text := `{"TipIssued":` + issued + `,"Doubt":{"Login":"x","Since":"9999-01-01T00:00:00Z"}}`
		testkit.Must(t, os.WriteFile(filepath.Join(home, LedgerName), []byte(text), 0o600))
		l, err := Load(home)
		if testkit.Must(t, err); l.TipIssued != 0 || l.Doubt.Since.After(time.Now()) {
			t.Errorf("%+v", l)
		}
	}
}

// TestNumbersOfALaterTime_F6: whoever can write falcred.json can write any number. None of them
// stands for ever.
func TestNumbersOfALaterTime_F6(t *testing.T) {
	home := newHome(t)
	later := Ledger{Rotated: math.MaxInt64, TipIssued: math.MaxInt64, Erased: Erased{"ann", math.MaxInt64}}
	testkit.Must(t, later.Save(home))
	l, err := Load(home)
	if testkit.Must(t, err); l.Rotated != 0 || l.TipIssued != 0 {
		t.Errorf("read: %+v", l)
	}
	lifted := l.Erase(Erased{At: time.Now().UnixNano()})
	if again := l.Learn(lifted); again.Erased.Subject != "" {
		t.Errorf("no login lifts it: %+v", again.Erased)
	}
}

// F5: of two newest logins that know nothing of each other, the one of the later rotation holds,
// or of the later login; what a daemon could not write down in time takes no newer one's place.
func TestMergeTakesTheNewer_F5(t *testing.T) {
	at := func(tip string, rotated int64) Ledger { return Ledger{Tip: tip, Rotated: rotated} }
	begun := at("disk", 100)
	begun.Course = Course{Token: "disk", Since: time.Unix(300, 0)}
	for name, tt := range map[string]struct {
		disk, unwritten Ledger
		want            string
	}{
		"rotated later here":       {at("disk", 100), at("here", 200), "here"},
		"rotated later elsewhere":  {at("disk", 200), at("here", 100), "disk"},
		"logged in since":          {begun, at("here", 200), "disk"},
		"nothing is on the disk":   {at("", 200), at("here", 100), "here"},
		"used up elsewhere":        {Ledger{Tip: "disk", Recent: []string{"here"}}, at("here", 200), "disk"},
		"the disk's was used here": {at("disk", 200), Ledger{Tip: "here", Recent: []string{"disk"}}, "here"},
	} {
		if got := tt.disk.Merge(tt.unwritten).Tip; got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// When falcred last refreshed is what the younger of two ledgers says: the clock may have been ahead
// when the older was written.
func TestLastRefreshIsTheYoungers(t *testing.T) {
	older := Ledger{Tip: "c", Recent: []string{"a", "b"}, Rotated: 5000}
	younger := Ledger{Tip: "d", Recent: []string{"a", "b", "c"}, Rotated: 1000}
	if got := older.Learn(younger).Rotated; got != 1000 {
		t.Errorf("the older learns %d", got)
	}
	if got := younger.Learn(older).Rotated; got != 1000 {
		t.Errorf("the younger learns %d", got)
	}
	apart := Ledger{Recent: []string{"d"}, Rotated: 6000}
	if got := younger.Learn(apart).Rotated; got != 6000 {
		t.Errorf("of two that know nothing of each other it is %d", got)
	}
}
