package clock

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Seconds reads a number of seconds that somebody else has said, in JSON or in a header:
// 900, "900", 900.0 and 9e2 are the same. More than most counts as most, so that no sum of
// it overflows. ok is false where it says nothing that can be used: where it is missing,
// negative, or no number at all. That is never a reason to refuse what it came with: the
// caller has a default, as RFC 6749 §5.1 and RFC 8628 §3.2 have.
func Seconds(said string, most time.Duration) (d time.Duration, ok bool) {
	text := strings.TrimSpace(said)
	if n := len(text); n > 1 && text[0] == '"' && text[n-1] == '"' {
		text = strings.TrimSpace(text[1 : n-1])
	}
	if strings.Trim(text, "0123456789+-.eE") != "" { // what ParseFloat takes besides: NaN, Inf, hexadecimal
		return 0, false
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if math.IsInf(seconds, 1) {
		err = nil // larger than a float64 holds
	}
	switch {
	case err != nil || seconds < 0:
		return 0, false
	case seconds >= most.Seconds():
		return most, true
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// Latest is the last moment that a Duration since 1970 reaches, in the year 2262. Beyond
// the year 9999 a time could not even be written down (RFC 3339).
const Latest = time.Duration(math.MaxInt64)

// Date reads a NumericDate (RFC 7519 §2), seconds since 1970, as [Seconds] does: beyond
// [Latest] it is that. It is zero where there is none.
func Date(said string) time.Time {
	since, ok := Seconds(said, Latest)
	if !ok || since == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(since))
}
