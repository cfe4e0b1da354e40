package issuer

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// R8: who refuses a code, or a login, is told by one rule: an issuer with its OAuth error, with
// status 200 too (casdoor), and with what to do about the client; or something else. A word of a
// gateway ends no login that waits, and a pause is kept (R7).
func TestDeviceLoginKnowsWhoSpeaks_R7R8(t *testing.T) {
	const client = "FALCRED_CLIENT_ID"
	refused := func(code string) string {
		return testIssuer + ` gave no code: it refuses the request of client "test-client" (` + code + ")\n"
	}
	for _, c := range []struct {
		status           int
		kind, body, want string
	}{
		{401, "application/json", `{"error":"invalid_client"}`, refused("invalid_client") + client},
		{200, "application/json", `{"error":"invalid_client"}`, refused("invalid_client") + client},
		{400, "application/json", `{"error":"unauthorized_client"}`, refused("unauthorized_client") + client},
		{400, "application/json", `{"error":"invalid_request","error_description":"a secret"}`, refused("invalid_request")},
		{403, "application/json", `{"error":"Forbidden"}`, testIssuer + " gave no code: something between this machine and it answers: status 403, application/json\n"},
		{200, "text/html", `<p>a secret`, testIssuer + " gave no code: something between this machine and it answers: status 200, text/html\n"},
		{302, "text/html", `<p>a secret`, testIssuer + " gave no code: there is no device endpoint where its discovery document names one (status 302)\n"},
		{503, "text/html", `<p>a secret`, testIssuer + " gave no code: it, or a gateway before it, answers with status 503, text/html"},
	} {
		inOddBubble(t, func(t *testing.T, o *oddIssuer) {
			o.deviceStatus, o.kind, o.device = c.status, c.kind, c.body
			if _, err := o.Authorize(t.Context(), "openid", "", ""); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("a code: %v, want %s", err, c.want)
			}
		})
	}
	for body, want := range map[string]string{
		`{"error":"access_denied"}`:       ErrDenied.Error(),
		`{"error":"expired_token"}`:       ErrUsed.Error(),
		`{"error":"unauthorized_client"}`: `the issuer refuses the request of client "test-client" (unauthorized_client)` + "\n" + client,
	} {
		inOddBubble(t, func(t *testing.T, o *oddIssuer) {
			o.pause = "30"
			var asked []time.Time
			o.token = func(poll int) (int, string) {
				asked = append(asked, time.Now())
				answers := []string{oddPending, "<html>", `{"error":"temporarily_unavailable"}`, body}
				return http.StatusOK, answers[min(poll, len(answers))-1]
			}
			if _, err := o.begin(t).Wait(t.Context(), ignore); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("status 200, %s: %v", body, err)
			}
			if len(asked) != 4 || asked[2].Sub(asked[1]) < 30*time.Second || asked[3].Sub(asked[2]) < 30*time.Second {
				t.Errorf("asked at %v", asked)
			}
		})
	}
}
