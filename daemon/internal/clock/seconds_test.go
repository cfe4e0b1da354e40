package clock

import (
	"strings"
	"testing"
	"time"
)

// R6, RFC 8628 §3.2, RFC 9110 §10.2.3: a number that a peer says is a number in whichever
// form it comes, has a bound, and is at worst not said.
func TestSeconds_R6(t *testing.T) {
	const most = time.Hour
	for said, want := range map[string]time.Duration{
		"900": 15 * time.Minute, `"900"`: 15 * time.Minute, "900.0": 15 * time.Minute, "9e2": 15 * time.Minute,
		`"9E+2"`: 15 * time.Minute, " 900 ": 15 * time.Minute, `" 900.0 "`: 15 * time.Minute, "0900": 15 * time.Minute,
		"0": 0, "-0": 0, "0.0": 0, "1e-400": 0, "0.25": time.Second / 4, "3600": most,
		"3601": most, "2147483648": most, "9223372037": most, "9223372036854775807": most,
		"18446744073709551616": most, "1e308": most, "1e999": most, `"1e999"`: most, strings.Repeat("9", 1000): most,
		"-1": -1, "-900": -1, "-1e999": -1, "": -1, " ": -1, `""`: -1, `"`: -1, "null": -1, "true": -1, "[900]": -1, "{}": -1,
		"soon": -1, "NaN": -1, "Inf": -1, "infinity": -1, "0x384": -1, "9_00": -1, "900s": -1, "15m": -1, "e": -1, "1e": -1, "9 00": -1,
	} {
		got, ok := Seconds(said, most)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%.40q: %v, want %v", said, got, want)
		}
	}
	if got, ok := Seconds("1e30", Latest); !ok || got != Latest {
		t.Errorf("the latest: %v, %v", got, ok)
	}
}

// RFC 7519 §2: a date is one in whichever form it comes, and can always be written down.
func TestDate(t *testing.T) {
	noon := time.Unix(1_700_000_000, 0)
	for said, want := range map[string]time.Time{
		"1700000000": noon, `"1700000000"`: noon, "1700000000.0": noon, "1.7e9": noon, "1700000000.5": noon.Add(time.Second / 2),
		"0": {}, "-1": {}, "": {}, "null": {}, `"tomorrow"`: {},
		"253402300800": time.Unix(0, int64(Latest)), "1e300": time.Unix(0, int64(Latest)),
	} {
		got := Date(said)
		if !got.Equal(want) {
			t.Errorf("%s: %v, want %v", said, got, want)
		}
		if _, err := got.MarshalJSON(); err != nil {
			t.Errorf("%s: %v", said, err)
		}
		if now := noon; !got.IsZero() && Remaining(got, now) != got.Sub(now) {
			t.Errorf("%s: %v are left", said, Remaining(got, now))
		}
	}
}
