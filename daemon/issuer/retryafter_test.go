package issuer

import (
	"net/http"
	"testing"
	"time"
)

// R7: an issuer's pause is honoured up to an hour, whatever an int of this machine holds.
func TestRetryAfter_R7(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "soon": 0, "NaN": 0,
		"1e9": time.Hour, " 60.5 ": 60500 * time.Millisecond, `"60"`: time.Minute,
		"300":                  5 * time.Minute,
		"3600":                 time.Hour,
		"3601":                 time.Hour,
		"2147483647":           time.Hour,
		"4294967297":           time.Hour, // 1, in 32 bits
		"99999999999999999999": time.Hour,
		now.Add(time.Minute).Format(http.TimeFormat):          time.Minute,
		now.AddDate(50, 0, 0).Format(http.TimeFormat):         time.Hour,
		now.Add(-time.Minute).Format(http.TimeFormat):         0,
		now.Add(time.Minute).Format("2006-01-02T15:04:05Z07"): 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
}
