package httpx

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// R8: who speaks in an answer, the issuer or something between this machine and it, told by
// status, type and body through a real server; and no word of the answer is said but an OAuth
// error code (R12).
func TestWhoSpeaks_R8R12(t *testing.T) {
	const (
		page   = "<!doctype html><title>secret</title>"
		json   = "application/json"
		html   = "text/html; charset=utf-8"
		secret = "v1.secret"
	)
	between := func(status int, kind string) string {
		return fmt.Sprintf("something between this machine and it answers: status %d, %s", status, kind)
	}
	either := func(status int, kind string) string {
		return fmt.Sprintf("it, or a gateway before it, answers with status %d, %s", status, kind)
	}
	type row struct {
		status     int
		kind, body string
		code, said string // code: the issuer's word
	}
	rows := []row{
		// The issuer.
		{400, json, `{"error":"invalid_grant"}`, "invalid_grant", "it refuses: status 400 (invalid_grant)"},
		{403, json + "; charset=utf-8", `{"error":"invalid_grant","error_description":"` + secret + `"}`, "invalid_grant", "it refuses: status 403 (invalid_grant)"},
		{401, json, `{"error":"invalid_client"}`, "invalid_client", "it refuses: status 401 (invalid_client)"},
		{200, json, `{"error":"invalid_grant"}`, "invalid_grant", "it refuses: status 200 (invalid_grant)"},
		{400, "text/html", "\n" + ` {"error":"invalid_request"} `, "invalid_request", "it refuses: status 400 (invalid_request)"},
		{400, "", `{"error":"unauthorized_client"}`, "unauthorized_client", "it refuses: status 400 (unauthorized_client)"},
		{403, json, `{"error":"mfa_required","mfa_token":"` + secret + `"}`, "mfa_required", "it refuses: status 403 (mfa_required)"},
		{400, json, `{"error":"expired"}`, "expired", "it refuses: status 400 (expired)"},
		// Gateways, with JSON that has an error too.
		{403, json, `{"error":"Forbidden"}`, "", between(403, json)},
		{403, json, `{"error":"forbidden"}`, "", between(403, json)},
		{401, json, `{"error":"unauthorized"}`, "", between(401, json)},
		{400, json, `{"error":"bad_request"}`, "", between(400, json)},
		{403, json, `{"error":{"code":403,"message":"invalid_grant"}}`, "", between(403, json)},
		{403, json, `{"error":"access denied by policy"}`, "", between(403, json)},
		{403, json, `{"error":"rate limited"}`, "", between(403, json)},
		{403, json, `{"error":"Access_Denied"}`, "", between(403, json)},
		{403, json, `{"Error":"invalid_grant"}`, "", between(403, json)},
		{403, json, `{"error":"` + strings.Repeat("a", maxCode+1) + `"}`, "", between(403, json)},
		{403, json, `{"error":""}`, "", between(403, json)},
		{403, json, `{"error":true}`, "", between(403, json)},
		{403, json, `{"error":null}`, "", between(403, json)},
		{403, json, `{"error":["invalid_grant"]}`, "", between(403, json)},
		{403, json, `{"message":"invalid_grant"}`, "", between(403, json)},
		{403, json, `[{"error":"invalid_grant"}]`, "", between(403, json)},
		{403, json, `"invalid_grant"`, "", between(403, json)},
		{403, json, `{"error":"invalid_grant"`, "", between(403, json)},
		{403, json, `{"error":"invalid_grant"}` + page, "", between(403, json)},
		{403, "application/x-www-form-urlencoded", `error=invalid_grant`, "", between(403, "application/x-www-form-urlencoded")},
		// Statuses that no OAuth error has, whatever their body.
		{404, json, `{"error":"invalid_grant"}`, "", between(404, json)},
		{405, json, `{"error":"invalid_request"}`, "", between(405, json)},
		{407, json, `{"error":"invalid_grant"}`, "", between(407, json)},
		{422, json, `{"error":"invalid_grant"}`, "", between(422, json)},
		{302, json, `{"error":"invalid_grant"}`, "", between(302, json)},
		{201, json, `{"error":"invalid_grant"}`, "", between(201, json)},
		{204, "", "", "", between(204, "no content type")},
		{429, json, `{"error":"too_many_requests"}`, "", "it, or a gateway before it, asks falcred to slow down (status 429)"},
		{500, json, `{"error":"server_error"}`, "", either(500, json)},
		{503, json, `{"error":"invalid_grant"}`, "", either(503, json)},
		{599, "text/x-" + secret, "", "", either(599, "an unusual content type")},
		// A label is shown only where it is a known one.
		{403, "text/" + secret, page, "", between(403, "an unusual content type")},
		{403, "", page, "", between(403, "no content type")},
		{403, "TEXT/HTML;charset=" + secret, page, "", between(403, "text/html")},
		{400, "text/plain", "", "", between(400, "text/plain")},
	}
	for _, status := range []int{200, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 413, 414, 417, 418, 421, 425, 426, 428, 431, 444, 451, 499} {
		rows = append(rows, row{status, html, page, "", between(status, "text/html")})
	}
	for _, status := range []int{500, 501, 502, 503, 504, 511, 520, 530} {
		rows = append(rows, row{status, html, page, "", either(status, "text/html")})
	}
	var now row
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil // net/http's own guess
		if now.kind != "" {
			w.Header().Set("Content-Type", now.kind)
		}
		w.WriteHeader(now.status)
		io.WriteString(w, now.body)
	}))
	defer server.Close()
	for _, now = range rows {
		resp, err := Client(NewTransport()).Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		said := Judge(resp.StatusCode, resp.Header, body)
		if said.Code != now.code || said.Between() != (now.code == "") || said.Error() != now.said || Said(fmt.Errorf("it failed: %w", said)) != said {
			t.Errorf("%d, %s, %s:\n%q, %s\nwant %q, %s", now.status, now.kind, now.body, said.Code, said.Error(), now.code, now.said)
		}
		if text := said.Error() + said.Hint(); strings.Contains(text, "secret") && !strings.Contains(said.Hint(), "without a secret") {
			t.Errorf("%d, %s: %s", now.status, now.kind, text)
		}
	}
	if none := Said(errors.New("no answer")); none != (Answer{}) || none.Between() || none.Hint() != "" {
		t.Errorf("without an answer: %+v", none)
	}
}

// R8: what people are told to do about an answer is about whoever has given it.
func TestHint_R8(t *testing.T) {
	for want, list := range map[string][]Answer{
		"FALCRED_CLIENT_ID": {{Status: 401, Code: "invalid_client"}, {Status: 200, Code: "invalid_client"}, {Status: 400, Code: "unauthorized_client"}},
		"HTTPS_PROXY":       {{Status: 200}, {Status: 302}, {Status: 403}, {Status: 404}, {Status: 407}},
		"":                  {{}, {Status: 400, Code: "invalid_request"}, {Status: 429}, {Status: 500}, {Status: 503}},
	} {
		for _, a := range list {
			if got := a.Hint(); !strings.Contains(got, want) || want == "" && got != "" || strings.Contains(got, "\n") {
				t.Errorf("%+v: %q", a, got)
			}
		}
	}
}

// R7: whoever asks for a pause gets one, of an hour at most, whatever an int of this machine
// holds; a date is by the clock of who sends it.
func TestRetryAfter_R7(t *testing.T) {
	now := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	theirs := now.AddDate(-3, 0, 0) // the sender's clock
	for value, want := range map[string]time.Duration{
		"": 0, "0": 0, "-5": 0, "soon": 0, "NaN": 0,
		"1e9": time.Hour, " 60.5 ": 60500 * time.Millisecond, `"60"`: time.Minute, "+5": 5 * time.Second,
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
		for _, date := range []string{"", "yesterday"} {
			if got := retryAfter(http.Header{"Retry-After": {value}, "Date": {date}}, now); got != want {
				t.Errorf("%q at %q: %v, want %v", value, date, got, want)
			}
		}
		dated := http.Header{"Retry-After": {value}, "Date": {theirs.Format(http.TimeFormat)}}
		if at, err := http.ParseTime(value); err == nil {
			dated.Set("Retry-After", at.AddDate(-3, 0, 0).Format(http.TimeFormat))
		}
		if got := retryAfter(dated, now); got != want {
			t.Errorf("%q, by a clock that is 3 years slow: %v, want %v", value, got, want)
		}
	}
	far := http.Header{"Retry-After": {"Fri, 31 Dec 9999 23:59:59 GMT"}, "Date": {"Mon, 01 Jan 0001 00:00:00 GMT"}}
	if got := retryAfter(far, now); got != time.Hour {
		t.Errorf("an eternity: %v", got)
	}
	past := http.Header{"Retry-After": {"Mon, 01 Jan 0001 00:00:00 GMT"}, "Date": {"Fri, 31 Dec 9999 23:59:59 GMT"}}
	if got := retryAfter(past, now); got != 0 {
		t.Errorf("an eternity ago: %v", got)
	}
}
