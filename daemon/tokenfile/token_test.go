package tokenfile

import (
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/testkit"
)

var noon = time.Unix(1_700_000_000, 0)

// jwt is an access token with those claims, whoever would have signed it.
func jwt(t *testing.T, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	testkit.Must(t, err)
	return "e30." + base64.RawURLEncoding.EncodeToString(body) + ".c2ln"
}

// lasting is one of an account that was issued then.
func lasting(t *testing.T, sub string, issued time.Time, lifetime time.Duration) string {
	t.Helper()
	return jwt(t, map[string]any{"iss": "https://issuer.example/", "sub": sub, "iat": issued.Unix(), "exp": issued.Add(lifetime).Unix()})
}

// R2: a token is due at half of its life, and what has no readable life has run out.
func TestDated_R2(t *testing.T) {
	for name, c := range map[string]struct {
		access           string
		expires, refresh time.Time
		valid, fresh     bool
	}{
		"just issued":        {lasting(t, "ann", noon, 2*time.Hour), noon.Add(2 * time.Hour), noon.Add(time.Hour), true, true},
		"half of its life":   {lasting(t, "ann", noon.Add(-time.Hour), 2*time.Hour), noon.Add(time.Hour), noon, true, false},
		"run out":            {lasting(t, "ann", noon.Add(-2*time.Hour), 2*time.Hour), noon, noon.Add(-time.Hour), false, false},
		"no iat":             {jwt(t, map[string]any{"exp": noon.Add(time.Hour).Unix()}), noon.Add(time.Hour), noon.Add(30 * time.Minute), true, true},
		"iat after exp":      {jwt(t, map[string]any{"iat": noon.Add(3 * time.Hour).Unix(), "exp": noon.Add(2 * time.Hour).Unix()}), noon.Add(2 * time.Hour), noon.Add(time.Hour), true, true},
		"iat after exp, out": {jwt(t, map[string]any{"iat": noon.Unix(), "exp": noon.Add(-time.Hour).Unix()}), noon.Add(-time.Hour), noon.Add(-time.Hour), false, false},
		"a fraction":         {jwt(t, map[string]any{"iat": 1_700_000_000.5, "exp": 1_700_000_002.5}), noon.Add(2500 * time.Millisecond), noon.Add(1500 * time.Millisecond), true, true},
		"no exp":             {access: jwt(t, map[string]any{"iat": noon.Unix()})},
		"an exp of text":     {jwt(t, map[string]any{"iat": "1700000000", "exp": "1700003600"}), noon.Add(time.Hour), noon.Add(30 * time.Minute), true, true},
		"an exp that is odd": {access: jwt(t, map[string]any{"iat": noon.Unix(), "exp": []int{1700003600}})},
		"an exp below 0":     {access: jwt(t, map[string]any{"iat": noon.Unix(), "exp": -1})},
		"a sub that is odd":  {jwt(t, map[string]any{"sub": 7, "iat": noon.Unix(), "exp": noon.Unix() + 3600}), noon.Add(time.Hour), noon.Add(30 * time.Minute), true, true},
		"an iat that is odd": {jwt(t, map[string]any{"iat": "today", "exp": noon.Unix() + 3600}), noon.Add(time.Hour), noon.Add(30 * time.Minute), true, true},
		"an exp of nowhere":  {jwt(t, map[string]any{"iat": noon.Unix(), "exp": 1e300}), time.Unix(0, int64(clock.Latest)), noon.Add(time.Unix(0, int64(clock.Latest)).Sub(noon) / 2), true, true},
		"opaque":             {access: "opaque"},
		"none":               {},
	} {
		got := Dated(TokenPair{"refresh", c.access}, noon)
		if !got.Expires.Equal(c.expires) || !got.RefreshAt.Equal(c.refresh) || got.Valid(noon) != c.valid || got.Fresh(noon) != c.fresh {
			t.Errorf("%s: until %v, due at %v, valid %v, fresh %v", name, got.Expires.Sub(noon), got.RefreshAt.Sub(noon), got.Valid(noon), got.Fresh(noon))
		}
	}
	if got := Dated(TokenPair{"refresh", lasting(t, "ann", noon, time.Hour)}, noon); got.Subject != "ann" || got.Issuer != "https://issuer.example/" || !got.Issued.Equal(noon) || got.Refresh != "refresh" {
		t.Errorf("%q of %q, issued at %v", got.Subject, got.Issuer, got.Issued)
	}
}

// R2: a clock that is wrong does not make each new token one that has run out.
func TestDatedReply_R2(t *testing.T) {
	for name, c := range map[string]struct {
		access   string
		lifetime time.Duration
		expires  time.Duration // from now
		skew     time.Duration
	}{
		"the clocks agree":            {lasting(t, "ann", noon, 2*time.Hour), time.Hour, 2 * time.Hour, 0},
		"nearly":                      {lasting(t, "ann", noon.Add(-59*time.Second), 2*time.Hour), time.Hour, 2*time.Hour - 59*time.Second, 0},
		"ours is ahead":               {lasting(t, "ann", noon.Add(-3*time.Hour), 2*time.Hour), time.Hour, 2 * time.Hour, 3 * time.Hour},
		"ours is behind":              {lasting(t, "ann", noon.Add(time.Minute), 2*time.Hour), time.Hour, 2 * time.Hour, -time.Minute},
		"opaque, with a lifetime":     {"opaque", 10 * time.Minute, 10 * time.Minute, 0},
		"opaque, without":             {"opaque", 0, assumedLifetime, 0},
		"no iat":                      {jwt(t, map[string]any{"exp": noon.Add(2 * time.Hour).Unix()}), time.Hour, 2 * time.Hour, 0},
		"in milliseconds":             {jwt(t, map[string]any{"iat": noon.UnixMilli(), "exp": noon.Add(time.Hour).UnixMilli()}), time.Hour, assumedLifetime, noon.Sub(time.Unix(0, int64(clock.Latest)))},
		"no iat, and run out by ours": {jwt(t, map[string]any{"exp": noon.Unix()}), 10 * time.Minute, 10 * time.Minute, 0},
	} {
		got, skew := DatedReply(TokenPair{"refresh", c.access}, c.lifetime, noon.Add(-time.Second), noon)
		if got.Expires.Sub(noon) != c.expires || skew != c.skew || !got.Valid(noon) || !got.Fresh(noon) {
			t.Errorf("%s: until %v, skew %v, due at %v", name, got.Expires.Sub(noon), skew, got.RefreshAt.Sub(noon))
		}
	}
}

// R2: a token that was on its way while the machine slept has lived for as long.
func TestTokenThatSleptOnItsWay_R2(t *testing.T) {
	asked := noon.Add(-3 * time.Hour)
	for name, c := range map[string]struct {
		access  string
		expires time.Duration // from now
	}{
		"issued before":     {lasting(t, "ann", asked.Add(time.Second), 10*time.Hour), 7*time.Hour + time.Second},
		"issued after":      {lasting(t, "ann", noon.Add(-time.Second), 10*time.Hour), 10*time.Hour - time.Second},
		"nobody says":       {"opaque", 7 * time.Hour},
		"by another clock":  {lasting(t, "ann", asked.Add(-5*time.Hour), 10*time.Hour), 7 * time.Hour},
		"without a date":    {jwt(t, map[string]any{"exp": noon.Add(7 * time.Hour).Unix()}), 7 * time.Hour},
		"by one far behind": {jwt(t, map[string]any{"exp": noon.Add(-time.Hour).Unix()}), 7 * time.Hour},
	} {
		got, _ := DatedReply(TokenPair{"refresh", c.access}, 10*time.Hour, asked, noon)
		if got.Expires.Sub(noon) != c.expires {
			t.Errorf("%s: until %v", name, got.Expires.Sub(noon))
		}
	}
}

// R2: a moment that no year of four digits has is the last that has, and can be said in JSON.
func TestMomentsAreClamped_R2(t *testing.T) {
	for _, exp := range []float64{1e11, 3e11, 1 << 40} {
		got := Dated(TokenPair{"refresh", jwt(t, map[string]any{"sub": "ann", "iat": noon.Unix(), "exp": exp})}, noon)
		if _, err := json.Marshal(got.Expires); err != nil || got.Subject != "ann" || !got.Fresh(noon) || got.RefreshAt.Year() > 9999 {
			t.Errorf("%g: until %v, due at %v, %v", exp, got.Expires, got.RefreshAt, err)
		}
	}
}

// F5: an old copy of a login is known by its access token.
func TestCopiedBefore_F5(t *testing.T) {
	held := Dated(TokenPair{"held", lasting(t, "ann", noon, 48*time.Hour)}, noon)
	for name, c := range map[string]struct {
		access     string
		same, copy bool
	}{
		"older by a day":          {lasting(t, "ann", noon.Add(-24*time.Hour), 48*time.Hour), true, true},
		"older by six minutes":    {lasting(t, "ann", noon.Add(-6*time.Minute), 48*time.Hour), true, true},
		"older by five minutes":   {lasting(t, "ann", noon.Add(-5*time.Minute), 48*time.Hour), true, false},
		"younger":                 {lasting(t, "ann", noon.Add(time.Minute), 48*time.Hour), true, false},
		"somebody else's":         {lasting(t, "bob", noon.Add(-24*time.Hour), 48*time.Hour), false, false},
		"another issuer's":        {jwt(t, map[string]any{"iss": "https://other.example/", "sub": "ann", "iat": noon.Add(-24 * time.Hour).Unix(), "exp": noon.Add(time.Hour).Unix()}), false, false},
		"the issuer's other name": {jwt(t, map[string]any{"iss": "https://issuer.example", "sub": "ann", "iat": noon.Add(-24 * time.Hour).Unix(), "exp": noon.Add(time.Hour).Unix()}), true, true},
		"nobody's":                {jwt(t, map[string]any{"iss": "https://issuer.example/", "iat": noon.Add(-24 * time.Hour).Unix(), "exp": noon.Add(time.Hour).Unix()}), false, false},
		"of no time":              {jwt(t, map[string]any{"iss": "https://issuer.example/", "sub": "ann", "exp": noon.Add(time.Hour).Unix()}), false, false},
		"one line":                {"", false, false},
	} {
		other := Dated(TokenPair{"other", c.access}, noon)
		if other.SameAccount(held) != c.same || held.SameAccount(other) != c.same || other.CopiedBefore(held) != c.copy {
			t.Errorf("%s: the same account: %v, an old copy: %v", name, other.SameAccount(held), other.CopiedBefore(held))
		}
	}
}

// R13: a token without an expiry has an issuer too.
func TestIssuerOf_R13(t *testing.T) {
	for token, want := range map[string]string{
		jwt(t, map[string]any{"iss": "https://issuer.example/"}):                         "https://issuer.example/",
		jwt(t, map[string]any{"iss": 1}):                                                 "",
		jwt(t, map[string]any{}):                                                         "",
		"e30." + base64.URLEncoding.EncodeToString([]byte(`{"iss":"padded"}`)) + ".c2ln": "padded",
		"opaque": "", "a.b": "", "a.b.c.d": "", "a.?.c": "", "": "",
	} {
		if got := IssuerOf(token); got != want {
			t.Errorf("%q: %q, want %q", token, got, want)
		}
	}
}

// R13: to whom a token was issued, by whichever claim.
func TestClientOf_R13(t *testing.T) {
	for token, want := range map[string]string{
		jwt(t, map[string]any{"client_id": "a"}):             "a",
		jwt(t, map[string]any{"azp": "b"}):                   "b",
		jwt(t, map[string]any{"client_id": "a", "azp": "b"}): "a",
		jwt(t, map[string]any{"client_id": 1, "azp": "b"}):   "b",
		jwt(t, map[string]any{"aud": "c"}):                   "",
		"opaque":                                             "", "": "",
	} {
		if got := ClientOf(token); got != want {
			t.Errorf("%q: %q, want %q", token, got, want)
		}
	}
}

// A fingerprint is what earlier versions wrote: the first 16 bytes of SHA-256, in hex.
func TestFingerprint(t *testing.T) {
	if got := Fingerprint("abc"); got != "ba7816bf8f01cfea414140de5dae2223" {
		t.Errorf("%s", got)
	}
}
