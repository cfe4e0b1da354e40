package httpx

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
)

// Answer is an HTTP answer that does not bring what was asked for, and who has given it: the
// server that was asked, or something between this machine and it (a captive portal, a proxy,
// a gateway), whose word says nothing about a login. As an error it has no word of the answer
// (R12) but an OAuth error code.
type Answer struct {
	Status     int           // 0: there was none
	Type       string        // what it calls itself: a media type that is known here, or words for another
	Code       string        // the OAuth error by which the server speaks; "" where something else does, or may
	RetryAfter time.Duration // how long it wants to be left alone, an hour at most
}

// Judge decides who speaks in an answer. The server does by an OAuth error (RFC 6749 §5.2): a
// JSON object, whole, whose member error is a word of [a-z_], with status 400, 401 or 403, or
// 200, as casdoor has it. The label is not looked at. Gateways write JSON with an error too: an
// object, a sentence, or the name of the status ("forbidden"), which no OAuth error is.
func Judge(status int, header http.Header, body []byte) Answer {
	a := Answer{Status: status, Type: mediaType(header), RetryAfter: retryAfter(header, clock.Now())}
	switch status {
	case http.StatusOK, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		var members map[string]json.RawMessage // unlike a struct's, its names are exact
		var code string
		if json.Unmarshal(body, &members) != nil || json.Unmarshal(members["error"], &code) != nil {
			return a
		}
		name := strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_")
		if code != name && len(code) <= maxCode && strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") == "" {
			a.Code = code
		}
	}
	return a
}

// maxCode is longer than any OAuth error code that is registered.
const maxCode = 64

// Said is the answer that an error is about, zero where there was none.
func Said(err error) (a Answer) {
	errors.As(err, &a)
	return a
}

// Between says that something between this machine and the server has answered, or that
// nobody can tell which of the two.
func (a Answer) Between() bool { return a.Status != 0 && a.Code == "" }

// By says who has answered what, where peer names the server that was asked. A server in need
// answers like the gateways before it: there both are named.
func (a Answer) By(peer string) string {
	switch {
	case a.Code != "":
		return fmt.Sprintf("%s refuses: status %d (%s)", peer, a.Status, a.Code)
	case a.Status == http.StatusTooManyRequests:
		return peer + ", or a gateway before it, asks falcred to slow down (status 429)"
	case a.Status >= 500:
		return fmt.Sprintf("%s, or a gateway before it, answers with status %d, %s", peer, a.Status, a.Type)
	}
	return fmt.Sprintf("something between this machine and %s answers: status %d, %s", peer, a.Status, a.Type)
}

// Error is By where the server was named before.
func (a Answer) Error() string { return a.By("it") }

// Hint is what people can do about it, in one line, "" where that is nothing.
func (a Answer) Hint() string {
	switch {
	case a.Code == "invalid_client" || a.Code == "unauthorized_client":
		return "FALCRED_CLIENT_ID has to name a public client of this issuer, without a secret, that may use device login and refresh tokens"
	case a.Code != "" || a.Status == 0 || a.Status == http.StatusTooManyRequests || a.Status >= 500:
		return ""
	}
	return "a captive portal, a proxy or a gateway answers: sign in to this network, or set HTTPS_PROXY and NO_PROXY in falcred.env"
}

// PassesHint is what to do about a fault on the way to a server that passes by itself, where
// nothing better is known.
const PassesHint = "nothing to do: falcred tries again; if it lasts, check the network, or ask whoever runs the issuer"

// mediaTypes are those that are shown by name: a label can quote a token like any other text.
var mediaTypes = []string{
	"text/html", "text/plain", "text/xml", "application/json", "application/problem+json",
	"application/xml", "application/xhtml+xml", "application/x-www-form-urlencoded", "application/octet-stream",
}

func mediaType(h http.Header) string {
	label := h.Get("Content-Type")
	if label == "" {
		return "no content type"
	}
	if name, _, _ := mime.ParseMediaType(label); slices.Contains(mediaTypes, name) {
		return name
	}
	return "an unusual content type"
}

// maxRetryAfter is the longest pause that anybody may ask for (R7).
const maxRetryAfter = time.Hour

// retryAfter reads the header of RFC 9110 §10.2.3: seconds, or a date. That is by the clock of
// who sends it, which its Date shows.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if d, ok := clock.Seconds(value, maxRetryAfter); ok {
		return d
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}
