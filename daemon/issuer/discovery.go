package issuer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// Endpoints are where an issuer is asked for what.
type Endpoints struct {
	Token  string
	Revoke string // "" where the issuer has none: RFC 7009 is optional
	Keys   string
	Device string // "" where the issuer has none: RFC 8628 is optional
	// EndSession is where a browser logs out (OpenID Connect RP-Initiated Logout 1.0), "" where the
	// issuer says nothing of it. It is as the document has it: [Provider.EndSession] checks it, so
	// that an odd one stops no refresh.
	EndSession string
}

// FalKeys is where fal publishes the keys of its ID tokens: something public, to ask for.
const FalKeys = "https://auth.fal.ai/.well-known/jwks.json"

// falEndpoints are compiled in, so that a daemon starts and refreshes without
// discovery (R11).
var falEndpoints = Endpoints{ // #nosec G101 -- addresses
	Device: "https://auth.fal.ai/oauth/device/code",
	Token:  "https://auth.fal.ai/oauth/token",
	Revoke: "https://auth.fal.ai/oauth/revoke",
	Keys:   FalKeys,

	EndSession: "https://auth.fal.ai/v2/logout",
}

// site is what is the same for all clients of an issuer.
type site struct {
	url    string
	client *http.Client
	find   func(ctx context.Context, address string) error // looks a name up; nil with another's transport

	found       atomic.Pointer[discovered] // nil before the first discovery
	doubted     atomic.Bool                // an endpoint has not answered as one
	discovering turn
}

// discovered is what is known of an issuer, until it moves.
type discovered struct {
	Endpoints
	keys  *keySet
	asked time.Time // when its discovery document was asked for last
}

// rediscoveryPause is how often an issuer that is known is asked for its endpoints again.
const rediscoveryPause = time.Minute

// Discover finds the endpoints at first need (OpenID Connect Discovery §4), and keeps them
// until one of them no longer answers as such: then they are found again, once a minute at
// most, and those that are known stay where that fails. It takes httpx.SideTimeout at most,
// beside the lookup of the issuer's name (httpx.LookupTimeout), and one asks at a time: whoever waits for another's answer shares it, and asks anew where
// it was an error. The second line of an error, if any, says what to do.
func (s *site) Discover(ctx context.Context) (Endpoints, error) {
	known := s.found.Load()
	if known != nil && !s.outdated(known) {
		return known.Endpoints, nil
	}
	if err := s.lookUp(ctx, s.url); err != nil {
		return known.or(unreached{s.url, err})
	}
	ctx, cancel := clock.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	if err := s.discovering.take(ctx); err != nil {
		return known.or(unreached{s.url, err})
	}
	defer s.discovering.leave()
	if known = s.found.Load(); known != nil && !s.outdated(known) {
		return known.Endpoints, nil
	}
	e, err := s.discover(ctx)
	switch {
	case err == nil:
		s.know(e)
	case known != nil:
		s.found.Store(&discovered{known.Endpoints, known.keys, clock.Now()})
	}
	if err != nil {
		return known.or(err)
	}
	return e, nil
}

// or are the endpoints that are known, or why they are not.
func (d *discovered) or(err error) (Endpoints, error) {
	if d == nil {
		return Endpoints{}, err
	}
	return d.Endpoints, nil
}

// endpoints are those that are known, whatever is doubted of them. It asks nobody where
// there are any: under the lock there is no time for it.
func (s *site) endpoints(ctx context.Context) (Endpoints, error) {
	if known := s.found.Load(); known != nil {
		return known.Endpoints, nil
	}
	return s.Discover(ctx)
}

// lookUp has the name of an address looked up, in the lookup's own time.
func (s *site) lookUp(ctx context.Context, address string) error {
	if s.find == nil {
		return nil
	}
	return s.find(ctx, address)
}

// know keeps endpoints, and the keys that came from the same address.
func (s *site) know(e Endpoints) {
	keys := newKeySet(e.Keys, s.client)
	if known := s.found.Load(); known != nil && known.Keys == e.Keys {
		keys = known.keys
	}
	s.doubted.Store(false)
	s.found.Store(&discovered{e, keys, clock.Now()})
}

// outdated says that the endpoints are to be found again.
func (s *site) outdated(known *discovered) bool {
	return s.doubted.Load() && clock.Now().Sub(known.asked) >= rediscoveryPause
}

// doubt takes note that there is no endpoint where one was discovered. Fal's are not
// discovered.
func (s *site) doubt() {
	if s.url != FalIssuer {
		s.doubted.Store(true)
	}
}

// CheckURL refuses what cannot be an issuer's URL: it is https, or http on
// loopback. The error names FALCRED_ISSUER, where people write it, and shows no password (R12).
func CheckURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		if strings.ContainsAny(address, "@?#") {
			return errors.New("FALCRED_ISSUER is not an issuer URL: one has no user, query or fragment\nleave out what @, ? or # stands for")
		}
		return fmt.Errorf("FALCRED_ISSUER is not an issuer URL: %q", address)
	case u.Scheme == "https", u.Scheme == "http" && httpx.Loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("FALCRED_ISSUER must be https, or http on loopback: %q", address)
}

// DiscoveryURL is where an issuer's discovery document is.
func DiscoveryURL(issuer string) string {
	return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
}

// maxDocument caps a discovery document, as it is once unpacked: real ones have
// a few KiB, and go-oidc reads whatever comes.
const maxDocument = 256 << 10

// asked are the members of a discovery document that falcred sends something to, and used are all
// that mean something here.
var (
	asked = []string{"token_endpoint", "jwks_uri", "revocation_endpoint", "device_authorization_endpoint"}
	used  = append([]string{"issuer", "end_session_endpoint"}, asked...)
)

// document is a discovery document on its way to go-oidc: capped, and without what is not
// used here, so that another member that is odd spoils nothing.
type document struct {
	recorder
	members members // nil: it is no JSON object
}

func (d *document) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := d.recorder.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if d.members = nil; d.whole {
		d.members = parseMembers(d.body)
	}
	texts := map[string]string{}
	for _, name := range used {
		texts[name] = d.members.text(name)
	}
	body, err := json.Marshal(texts)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// unreached is why no discovery document came.
type unreached struct {
	url string
	err error
}

func (u unreached) Error() string {
	return fmt.Sprintf("discovery at %s failed: %s", u.url, httpx.Describe(u.err))
}

const issuerHint = "is FALCRED_ISSUER right? it is the issuer's own name, to the letter"

func (s *site) discover(ctx context.Context) (Endpoints, error) {
	at, doc := DiscoveryURL(s.url), &document{recorder: recorder{next: s.client.Transport, most: maxDocument}}
	_, err := oidc.NewProvider(oidc.ClientContext(ctx, httpx.Client(doc)), s.url)
	said, page := doc.said(), doc.members == nil && doc.whole
	var mismatch *oidc.IssuerMismatchError
	switch {
	case doc.status == 0:
		return Endpoints{}, unreached{s.url, err}
	case doc.status == http.StatusNotFound, doc.status == http.StatusGone:
		return Endpoints{}, fmt.Errorf("%w\n%s", nothingThere{"discovery document at " + at, said}, issuerHint)
	case doc.status != http.StatusOK, page && said.Type == "text/html":
		hint := httpx.PassesHint
		if said.Hint() != "" {
			hint = said.Hint() + "; is FALCRED_ISSUER right?"
		}
		return Endpoints{}, fmt.Errorf("discovery at %s failed: %w\n%s", s.url, said, hint)
	case len(doc.body) >= maxDocument:
		return Endpoints{}, fmt.Errorf("what is at %s is no discovery document: it has %d KiB or more\n%s", at, maxDocument>>10, issuerHint)
	case !doc.whole:
		return Endpoints{}, fmt.Errorf("discovery at %s failed: its answer was cut off", s.url)
	case page:
		return Endpoints{}, fmt.Errorf("what is at %s is no discovery document: it is no JSON object\n%s; or this network wants a sign-in in a browser first", at, issuerHint)
	case errors.As(err, &mismatch):
		return Endpoints{}, s.mismatch(mismatch.Discovered)
	case err != nil:
		return Endpoints{}, fmt.Errorf("discovery at %s failed: %s", s.url, httpx.Describe(err))
	}
	return s.endpointsIn(doc.members)
}

// mismatch is about a document that is another issuer's (OpenID Connect Discovery §4.3). It
// shows what the document says only where that can be an issuer's name.
func (s *site) mismatch(named string) error {
	switch {
	case named == "":
		return fmt.Errorf("the discovery document at %s names no issuer\n%s", DiscoveryURL(s.url), issuerHint)
	case len(named) > 200 || !tokenfile.Printable(named) || CheckURL(named) != nil || !s.trusts(named):
		return fmt.Errorf("the discovery document at %s is another issuer's, which is neither https nor, like this one, on loopback\n%s", DiscoveryURL(s.url), issuerHint)
	}
	return fmt.Errorf("FALCRED_ISSUER says %s, and the discovery document there says %s\nif that is the issuer that you mean, set FALCRED_ISSUER=%s", s.url, named, named)
}

// endpointsIn reads a document. What is needed must be there; what is optional may be odd,
// and is then not there either. All that is there must be safe to ask (R13).
func (s *site) endpointsIn(m members) (Endpoints, error) {
	for _, name := range asked {
		address := m.text(name)
		switch {
		case address == "" && (name == "token_endpoint" || name == "jwks_uri"):
			why := "names no " + name
			if m[name] != nil {
				why = "has a " + name + " that is no text"
			}
			return Endpoints{}, fmt.Errorf("the discovery document of %s %s\nask whoever runs it", s.url, why)
		case address != "" && !s.trusts(address):
			return Endpoints{}, fmt.Errorf("the discovery document of %s names a %s that is neither https nor, like the issuer, on loopback\nask whoever runs it", s.url, name)
		}
	}
	return Endpoints{
		Token: m.text("token_endpoint"), Revoke: m.text("revocation_endpoint"),
		Keys: m.text("jwks_uri"), Device: m.text("device_authorization_endpoint"), EndSession: m.text("end_session_endpoint"),
	}, nil
}

// trusts is R13's rule for addresses that the issuer names.
func (s *site) trusts(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.Host == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && httpx.Loopback(u.Hostname()) && onLoopback(s.url)
}

func onLoopback(address string) bool {
	u, err := url.Parse(address)
	return err == nil && httpx.Loopback(u.Hostname())
}
