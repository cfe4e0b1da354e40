package issuer

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// C8: the address at which fal's browser session ends is the fal CLI's own, for our client.
func TestEndSessionAtFal_C8(t *testing.T) {
	got, err := New(FalIssuer, FalClientID, nil).EndSession(t.Context())
	want := "https://auth.fal.ai/v2/logout?client_id=TwXR51Vz8JbY8GUUMy6EyuVR0fTO7N4N&returnTo=https%3A%2F%2Ffal.ai"
	if err != nil || got != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

// R13: another issuer's is the one that it names, if that is https, or on loopback where the issuer
// is. It gets the client and nothing else: no token, and no address to go on to. An odd one is
// nobody's but this address's: logins and refreshes go on.
func TestEndSessionElsewhere_R13(t *testing.T) {
	for at, want := range map[string]string{
		testIssuer + "/logout":                             testIssuer + "/logout?client_id=test-client",
		"https://id.example.com/end?ui=en&client_id=other": "https://id.example.com/end?client_id=test-client&ui=en",
		"https://id.example.com/end#x":                     "https://id.example.com/end?client_id=test-client",
		"":                                                 "names no address at which a browser logs out\nlog out there",
		"http://id.example.com/end":                        "neither https nor",
		"https://me:pass@id.example.com/end":               "neither https nor",
		"javascript:alert(1)":                              "neither https nor",
		"file:///etc/passwd":                               "neither https nor",
		"--help":                                           "neither https nor",
		"https://id.example.com/%zz":                       "neither https nor",
	} {
		inOddBubble(t, func(t *testing.T, o *oddIssuer) {
			o.change = func(document map[string]string) { document["end_session_endpoint"] = at }
			got, err := o.EndSession(t.Context())
			if err != nil {
				got = err.Error()
			}
			if (err == nil) != (strings.HasPrefix(want, "http")) || !strings.Contains(got, want) || err == nil && got != want || strings.Contains(got, "pass@") {
				t.Errorf("%q became %q, %v, want %q", at, got, err, want)
			}
			o.begin(t)
		})
	}
}

// Nobody is told to fetch anything where there is no way to the issuer.
func TestEndSessionOffline(t *testing.T) {
	inOddBubble(t, func(t *testing.T, o *oddIssuer) {
		o.net.Set(testkit.ErrNetDown, false)
		if _, err := o.EndSession(t.Context()); err == nil || !strings.HasPrefix(err.Error(), testIssuer+" cannot be reached: ") {
			t.Error(err)
		}
	})
}

// lost is a network that knows no name.
type lost struct{}

func (lost) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}
}

// An offline machine is named as one, at fal's issuer and at another's: who wants to log in knows
// nothing of discovery.
func TestOfflineInPlainWords(t *testing.T) {
	for _, at := range []string{FalIssuer, "https://id.example.com"} {
		want := at + " cannot be reached: its name is not found, as when this machine is offline\ncheck the network and try again; falcred doctor finds what is in the way"
		if _, err := New(at, "c", lost{}).Authorize(t.Context(), "openid", "", ""); err == nil || err.Error() != want {
			t.Errorf("%s: %v", at, err)
		}
	}
}
