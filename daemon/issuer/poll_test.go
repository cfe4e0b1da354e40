package issuer

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// polled logs in at an issuer that gives that code and these answers in turn, the last one
// again and again, and says after which pauses it was asked, in seconds, and what was told.
func polled(t *testing.T, device string, answers ...reply) (pauses []int, told []string, login *PendingLogin, err error) {
	t.Helper()
	inOddBubble(t, func(t *testing.T, o *oddIssuer) {
		o.device = fmt.Sprintf(`{"device_code":"d","user_code":"u","verification_uri":"URL"%s}`, device)
		last := time.Now()
		o.token = func(poll int) (int, string) {
			pauses = append(pauses, int(time.Since(last).Round(time.Second)/time.Second))
			last = time.Now()
			a := answers[min(poll, len(answers))-1]
			if a.status == 0 {
				panic(http.ErrAbortHandler)
			}
			return a.status, a.body
		}
		login, err = o.begin(t).Wait(t.Context(), func(problem string) { told = append(told, problem) })
	})
	return pauses, told, login, err
}

// reply is an answer to a poll, with status 0 none.
type reply struct {
	status int
	body   string
}

var (
	pending = reply{400, oddPending}
	slow    = reply{400, `{"error":"slow_down"}`}
	granted = reply{200, oddLogin}
	gateway = reply{502, "<html>Bad Gateway"}
	nothing = reply{}
)

// RFC 8628 §3.2, §3.5: the interval is what the issuer says, in whichever form; slow_down
// makes this and all subsequent ones longer, whatever happens to a poll; and a poll that is
// lost makes the pause longer, until one is answered.
func TestPollsKeepTheirPace(t *testing.T) {
	for name, c := range map[string]struct {
		device  string
		answers []reply
		want    []int
	}{
		"not said":            {`,"expires_in":900`, []reply{pending, granted}, []int{5, 5}},
		"90":                  {`,"expires_in":900,"interval":90`, []reply{pending, pending, granted}, []int{90, 90, 90}},
		"90, of 120":          {`,"expires_in":120,"interval":90`, []reply{granted}, []int{90}},
		"in quotes":           {`,"expires_in":"900","interval":"7"`, []reply{pending, granted}, []int{7, 7}},
		"with a fraction":     {`,"expires_in":900.0,"interval":7.0`, []reply{granted}, []int{7}},
		"with an exponent":    {`,"expires_in":9e2,"interval":"1e1"`, []reply{granted}, []int{10}},
		"0":                   {`,"expires_in":900,"interval":0`, []reply{granted}, []int{5}},
		"negative":            {`,"expires_in":-900,"interval":-5`, []reply{granted}, []int{5}},
		"no numbers":          {`,"expires_in":"soon","interval":{}`, []reply{granted}, []int{5}},
		"null":                {`,"expires_in":null,"interval":null`, []reply{granted}, []int{5}},
		"huge":                {`,"expires_in":9223372037,"interval":1e300`, []reply{granted}, []int{300}},
		"longer than a code":  {`,"expires_in":100,"interval":3600`, []reply{granted}, []int{90}},
		"no code's life":      {`,"interval":1`, []reply{pending, granted}, []int{1, 1}},
		"slow_down":           {`,"interval":5`, []reply{slow, pending, slow, pending, granted}, []int{5, 10, 10, 15, 15}},
		"slow_down, 429":      {`,"interval":5`, []reply{{429, `{"error":"slow_down"}`}, granted}, []int{5, 10}},
		"slow_down, how much": {`,"interval":5`, []reply{{400, `{"error":"slow_down","interval":"40"}`}, pending, granted}, []int{5, 40, 40}},
		"429 of a gateway":    {`,"interval":5`, []reply{{429, "slow down"}, pending, granted}, []int{5, 10, 10}},
		"slow_down, lost":     {`,"interval":5`, []reply{slow, nothing, pending, granted}, []int{5, 10, 20, 10}},
		"slow_down, 502":      {`,"interval":5`, []reply{slow, gateway, gateway, pending, slow, gateway, granted}, []int{5, 10, 20, 30, 10, 15, 30}},
		"lost again and again": {`,"interval":1`, []reply{nothing, nothing, nothing, nothing, nothing, nothing, pending, granted},
			[]int{1, 2, 4, 8, 16, 30, 30, 1}},
		"a gateway at 40 s each": {`,"interval":40`, []reply{gateway, gateway, granted}, []int{40, 40, 40}},
		"pending, as Google":     {`,"interval":5`, []reply{{428, oddPending}, granted}, []int{5, 5}},
		"pending, as casdoor":    {`,"interval":5`, []reply{{200, oddPending}, granted}, []int{5, 5}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, login, err := polled(t, c.device, c.answers...)
			if err != nil || login.Reply.Tokens.Refresh != "r" || !slices.Equal(got, c.want) {
				t.Errorf("polls after %v, want %v: %v", got, c.want, err)
			}
		})
	}
}

// R8, RFC 8628 §3.5: whatever stands between this machine and the issuer ends no login. It
// is said, once for each, and so is its end.
func TestNothingInBetweenEndsALogin_R8(t *testing.T) {
	const portal = "something between this machine and the issuer answers: status %d, application/json"
	const unwell = "the issuer, or a gateway before it, answers with status %d, application/json"
	for name, c := range map[string]struct {
		answer reply
		want   string
	}{
		"lost":                  {nothing, "the issuer's answer was lost: the connection was closed"},
		"502":                   {gateway, fmt.Sprintf(unwell, 502)},
		"503 in JSON":           {reply{503, `{"error":"unavailable"}`}, fmt.Sprintf(unwell, 503)},
		"a gateway's 403":       {reply{403, "<html>forbidden"}, fmt.Sprintf(portal, 403)},
		"a gateway's JSON":      {reply{403, `{"error":"Forbidden: hunter2"}`}, fmt.Sprintf(portal, 403)},
		"a proxy's 407":         {reply{407, ""}, fmt.Sprintf(portal, 407)},
		"404":                   {reply{404, `{"error":"not_found"}`}, fmt.Sprintf(portal, 404)},
		"a redirect":            {reply{302, "<html>log in to this network"}, fmt.Sprintf(portal, 302)},
		"a portal's page":       {reply{200, "<html>log in to this network"}, fmt.Sprintf(portal, 200)},
		"an empty answer":       {reply{200, ""}, fmt.Sprintf(portal, 200)},
		"null":                  {reply{200, "null"}, fmt.Sprintf(portal, 200)},
		"one that is cut":       {reply{200, `{"access_token":"a","token`}, fmt.Sprintf(portal, 200)},
		"unwell, in OAuth":      {reply{400, `{"error":"temporarily_unavailable"}`}, "the issuer has a problem (temporarily_unavailable)"},
		"unwell, as 5xx should": {reply{500, `{"error":"server_error"}`}, fmt.Sprintf(unwell, 500)},
	} {
		t.Run(name, func(t *testing.T) {
			_, told, login, err := polled(t, `,"expires_in":900,"interval":5`, pending, c.answer, c.answer, pending, c.answer, granted)
			if err != nil || login.Reply.Tokens.Refresh != "r" || !slices.Equal(told, []string{c.want, "", c.want}) {
				t.Errorf("%v, told %q", err, told)
			}
			begun := 0
			pauses, _, _, err := polled(t, `,"expires_in":900,"interval":5`, c.answer)
			for _, pause := range pauses {
				begun += pause
			}
			if err != ErrExpired || begun != 899 {
				t.Errorf("one that stays: %v; the last poll was after %d s", err, begun)
			}
		})
	}
}

// RFC 8628 §3.5, RFC 6749 §5.2: the issuer's own word ends it, is named, and says what to
// do; a code that is used up after a lost answer is no code that has expired.
func TestAnIssuersRefusalEndsALogin(t *testing.T) {
	for name, c := range map[string]struct {
		answers []reply
		want    string
	}{
		"denied":             {[]reply{{403, `{"error":"access_denied"}`}}, ErrDenied.Error()},
		"denied, as casdoor": {[]reply{{200, `{"error":"access_denied"}`}}, ErrDenied.Error()},
		"expired":            {[]reply{pending, {400, `{"error":"expired_token"}`}}, ErrExpired.Error()},
		"not known":          {[]reply{pending, {400, `{"error":"invalid_grant"}`}}, ErrExpired.Error()},
		"used up":            {[]reply{nothing, {400, `{"error":"invalid_grant"}`}}, ErrUsed.Error()},
		"used up, as 502":    {[]reply{gateway, pending, {400, `{"error":"expired_token"}`}}, ErrUsed.Error()},
		"client":             {[]reply{{401, `{"error":"invalid_client"}`}}, "the issuer refuses the request of client \"test-client\" (invalid_client)\nFALCRED_CLIENT_ID has to name a public client"},
		"grant":              {[]reply{{400, `{"error":"unauthorized_client"}`}}, "the issuer refuses the request of client \"test-client\" (unauthorized_client)\nFALCRED_CLIENT_ID"},
		"scope":              {[]reply{{400, `{"error":"invalid_scope","error_description":"hunter2"}`}}, "the issuer refuses the request of client \"test-client\" (invalid_scope)\nname scopes that it grants in FALCRED_SCOPES"},
		"another":            {[]reply{{400, `{"error":"out_of_order"}`}}, "the issuer refuses the request of client \"test-client\" (out_of_order)\nsee which of"},
	} {
		_, _, _, err := polled(t, `,"expires_in":900,"interval":5`, c.answers...)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// RFC 8628 §3.2: no code is given where the issuer refuses, which is named with what to do,
// and where something in between answers, which is not taken for the issuer.
func TestNoCodeIsGiven(t *testing.T) {
	for name, c := range map[string]struct {
		reply
		want string
	}{
		"client":     {reply{401, `{"error":"invalid_client"}`}, " gave no code: it refuses the request of client \"test-client\" (invalid_client)\nFALCRED_CLIENT_ID has to name a public client"},
		"grant":      {reply{403, `{"error":"unauthorized_client"}`}, " gave no code: it refuses the request of client \"test-client\" (unauthorized_client)\nFALCRED_CLIENT_ID"},
		"audience":   {reply{400, `{"error":"invalid_request","error_description":"hunter2"}`}, " gave no code: it refuses the request of client \"test-client\" (invalid_request)\nsee which of FALCRED_CLIENT_ID, FALCRED_AUDIENCE (empty is none)"},
		"target":     {reply{400, `{"error":"invalid_target"}`}, " gave no code: it refuses the request of client \"test-client\" (invalid_target)\nname an audience"},
		"scope":      {reply{200, `{"error":"invalid_scope"}`}, " gave no code: it refuses the request of client \"test-client\" (invalid_scope)\nname scopes"},
		"a gateway":  {reply{403, "<html>hunter2"}, " gave no code: something between this machine and it answers: status 403, application/json\n"},
		"502":        {gateway, " gave no code: it, or a gateway before it, answers with status 502, application/json\n"},
		"moved":      {reply{404, "hunter2"}, " gave no code: there is no device endpoint where its discovery document names one (status 404)\n"},
		"a redirect": {reply{302, "hunter2"}, " gave no code: there is no device endpoint where its discovery document names one (status 302)\n"},
		"slow down":  {reply{429, "x"}, " gave no code: it, or a gateway before it, asks falcred to slow down (status 429)\n"},
		"odd":        {reply{200, `{"error":"what hunter2"}`}, " gave no code: its answer has no device_code\n"},
		"a portal":   {reply{200, "<html>hunter2"}, " gave no code: its answer is no JSON object, or an empty one\n"},
		"no code":    {reply{200, `{"device_code":"hunter2","user_code":5,"verification_uri":"URL"}`}, " gave no code: its answer has no user_code\n"},
		"no address": {reply{200, `{"device_code":"hunter2","user_code":"u"}`}, " gave no code: its answer has no verification_uri\n"},
	} {
		inOddBubble(t, func(t *testing.T, o *oddIssuer) {
			o.device, o.deviceStatus = c.body, c.status
			if _, err := o.Authorize(t.Context(), "openid", "an-audience", ""); err == nil || !strings.HasPrefix(err.Error(), testIssuer+c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v, want %q", name, err, c.want)
			}
		})
	}
}
