package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol"
	"golang.org/x/oauth2"
)

// SignIn is one device authorization (RFC 8628). Nothing on disk changes until
// Finish has written the login.
type SignIn struct {
	URL      string // where a person confirms; it carries the code where the issuer offers that
	PlainURL string // the same without the code
	UserCode string
	Expires  time.Time

	cfg    Config
	issuer *issuer
	oauth  *oauth2.Config
	device *oauth2.DeviceAuthResponse
}

// maxInterval is the longest pause between two polls, in seconds, that an issuer
// may ask for: a code lives some minutes.
const maxInterval = 60

// falSeed is the page through which the fal CLI sends people who chose a
// connection: it signs them in that way and goes on to the confirmation.
const falSeed = "https://fal.ai/api/auth/cli/session-seed"

// BeginSignIn asks the issuer for a code. connection is empty, or one of the
// fal CLI's: github, google, or the domain of an enterprise's single sign-on.
func BeginSignIn(ctx context.Context, cfg Config, connection string) (*SignIn, error) {
	if err := keepable(ctx, cfg); err != nil {
		return nil, err
	}
	i := newIssuer(cfg.Issuer, cfg.ClientID)
	e, err := i.discover(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	if e.device == "" {
		return nil, fmt.Errorf("%s has no device login", cfg.Issuer)
	}
	if connection != "" && cfg.Issuer != FalIssuer {
		return nil, errors.New("a connection is fal's matter, and this issuer is another\nleave --connection off")
	}
	s := &SignIn{cfg: cfg, issuer: i, oauth: i.oauth2(e.token)}
	s.oauth.Endpoint.DeviceAuthURL = e.device
	s.oauth.Scopes = strings.Fields(cfg.Scopes)
	if s.device, err = s.authorize(ctx); err != nil {
		return nil, err
	}
	if s.device.Interval = min(s.device.Interval, maxInterval); s.device.Interval <= 0 {
		s.device.Interval = 5 // RFC 8628 §3.2
	}
	s.UserCode, s.Expires = s.device.UserCode, s.device.Expiry
	s.PlainURL = s.device.VerificationURI
	s.URL = firstOf(s.device.VerificationURIComplete, s.PlainURL)
	if connection != "" {
		s.URL = falSeed + "?" + url.Values{
			"user_code":                 {s.UserCode},
			"verification_uri_complete": {s.device.VerificationURIComplete},
			"connection":                {connection},
		}.Encode()
	}
	for _, address := range []string{s.URL, s.PlainURL} {
		if !i.trusts(address) {
			return nil, errors.New("the issuer sends people to an address that is neither https nor, like the issuer, on loopback")
		}
	}
	return s, nil
}

// keepable finds out before anybody confirms anything whether a login could be
// written: the home, its issuer (R13), the lock, the disk.
func keepable(ctx context.Context, cfg Config) error {
	l, err := newLogin(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer l.close()
	e, err := l.beginBefore(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return asWire(err)
	}
	defer e.end()
	if r := e.file.read(); r.state == fileUnusable {
		return fmt.Errorf("%w\n%s", r.err, r.mend())
	} else if err := cfg.checkToken(r.pair.access); err != nil {
		return err // the login would be lost to its issuer, and still be good there
	}
	probe, err := writeTemp(e.target, make([]byte, maxTokenFile))
	if err != nil {
		return fmt.Errorf("a login cannot be written beside %s: %w\n%s", e.file.path, nameless(err), mendDisk)
	}
	return os.Remove(probe)
}

var errNoCode = errors.New("gives no code: its answer could not be understood")

// authorize gives up when ctx ends, which x/oauth2's own request does not.
func (s *SignIn) authorize(ctx context.Context) (*oauth2.DeviceAuthResponse, error) {
	type answer struct {
		device *oauth2.DeviceAuthResponse
		err    error
	}
	done := make(chan answer, 1)
	go func() { // #nosec G118 -- its request has a timeout of its own
		var a answer
		defer func() { done <- a }()
		defer func() { // x/oauth2 trips over the answer `null`
			if recover() != nil {
				a.err = errNoCode
			}
		}()
		a.device, a.err = s.oauth.DeviceAuth(s.with(context.Background(), s.issuer.client.Transport), oauth2.SetAuthURLParam("audience", s.cfg.Audience))
		if a.err == nil && (a.device.UserCode == "" || a.device.DeviceCode == "") {
			a.err = errNoCode
		}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-done:
		if a.err == errNoCode {
			return nil, fmt.Errorf("%s %w", s.cfg.Issuer, a.err)
		}
		if a.err != nil {
			return nil, fmt.Errorf("%s gives no code: %w", s.cfg.Issuer, signInTrouble(a.err))
		}
		return a.device, nil
	}
}

func (s *SignIn) with(ctx context.Context, transport http.RoundTripper) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, &http.Client{
		Transport: transport, CheckRedirect: s.issuer.client.CheckRedirect, Timeout: 2 * sideTimeout,
	})
}

// The two ends of a sign-in that a person brought about.
var (
	ErrDenied  = errors.New("the login was not confirmed: somebody chose to cancel it")
	ErrExpired = errors.New("the code has expired")
)

// Wait polls until the login is confirmed (RFC 8628 §3.4; x/oauth2 honours the
// interval and slow_down). A poll that the network lost is repeated.
func (s *SignIn) Wait(ctx context.Context) (*Granted, error) {
	last := &recorder{next: s.issuer.client.Transport}
	for strange := 0; ; strange++ {
		token, err := s.oauth.DeviceAccessToken(s.with(ctx, last), s.device)
		var refused *oauth2.RetrieveError
		switch {
		case last.status >= 200 && last.status < 300: // whatever x/oauth2 makes of it (R6)
			return s.granted(ctx, last.grant(token))
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.As(err, &refused) && (refused.ErrorCode != "" || strange >= maxStrange):
			return nil, signInTrouble(err)
		case !s.Expires.IsZero() && !time.Now().Before(s.Expires):
			return nil, ErrExpired
		}
		// Whether a lost poll had been answered is not known: a code that was
		// redeemed by it is refused next time.
		s.device.Interval = min(s.device.Interval+1, maxInterval)
	}
}

// maxStrange is how many refusals without an OAuth error code are taken for a
// gateway's, on the way to an issuer whose answer may be good.
const maxStrange = 5

// signInTrouble names an OAuth error by its code, never by its text (R12).
func signInTrouble(err error) error {
	var refused *oauth2.RetrieveError
	if !errors.As(err, &refused) {
		return errors.New(plain(err))
	}
	switch refused.ErrorCode {
	case "access_denied":
		return ErrDenied
	case "expired_token", "invalid_grant":
		return ErrExpired
	}
	status := 0
	if refused.Response != nil {
		status = refused.Response.StatusCode
	}
	return fmt.Errorf("the issuer refuses: status %d%s", status, printable(refused.ErrorCode))
}

// Granted is a login that the issuer has granted and nobody has kept yet.
type Granted struct {
	Subject string
	Name    string // as the ID token has it, for a greeting
	Email   string
	Doubt   string // why the ID token could not be checked fully

	s     *SignIn
	reply reply
	seen  verdict
}

func (s *SignIn) granted(ctx context.Context, r reply) (*Granted, error) {
	if r.outcome != granted {
		return nil, fmt.Errorf("the login was confirmed, and %w\ntry again", r.err)
	}
	if r.pair.refresh == "" {
		return nil, errors.New("the issuer granted no refresh token\nask for offline_access: FALCRED_SCOPES")
	}
	g := &Granted{s: s, reply: r}
	if r.idToken.raw == "" {
		g.Doubt = "the issuer sent no ID token, so nobody can be greeted by name"
		return g, nil
	}
	v := s.issuer.verify(ctx, r.idToken, "")
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if v.wrong != nil {
		s.issuer.revoke(context.Background(), r.pair.refresh) // best effort: it is not kept either way
		return nil, fmt.Errorf("the issuer's answer is not to be trusted: %w\ntry again; if it repeats, somebody stands between this machine and the issuer", v.wrong)
	}
	g.seen = v
	if v.doubt != nil {
		g.Doubt = "the login is kept, and its ID token is unverified: " + v.doubt.Error()
		return g, nil
	}
	g.Subject, g.Name, g.Email = v.token.subject, v.token.name, v.token.email
	return g, nil
}

// Keep writes the login into the token file, under the lock (F1, F2). A daemon
// notices it there. The login that it replaces is not revoked: issuers can be
// set to end all logins of the same person and client with one. For the same
// reason a login that could not be kept is not revoked either.
func (g *Granted) Keep(ctx context.Context) error {
	err := g.keep(ctx)
	if err != nil && ctx.Err() == nil {
		what, mend, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("the login was granted and not kept; what was there is unchanged: %s\n%s", what, mend)
	}
	return err
}

func (g *Granted) keep(ctx context.Context) error {
	l, err := newLogin(g.s.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer l.close()
	l.issuer = g.s.issuer
	e, err := l.beginBefore(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return asWire(err)
	}
	defer e.end()
	before := e.file.read()
	if before.state == fileUnusable {
		return fmt.Errorf("%w\n%s", before.err, before.mend())
	}
	if err := e.unchanged(before); err != nil {
		return asWire(err)
	}
	// The note comes first: a daemon that finds the login knows whose doing it was.
	// A kill between the two costs the note of the login before.
	note := memory{Subject: g.Subject}
	switch {
	case g.seen.doubt != nil: // R10: nothing is learned
		note.Doubt = doubted{}.again(g.reply.pair.refresh, g.seen, e.issuer.keysAt(), time.Now())
	case note.Subject == "":
		note.Subject = fromFile(g.reply.pair, time.Now()).subject
	}
	note.setTip(g.reply.pair, note.Subject)
	former := e.renote(note)
	if err := e.file.replace(e.target, g.reply.pair, func() error { return e.unchanged(before) }); err != nil {
		e.renote(former)
		if s := (&setback{}); errors.As(err, &s) {
			return asWire(s)
		}
		return fmt.Errorf("the login cannot be written to %s: %w\n%s", e.file.path, err, mendDisk)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.login = fromFile(g.reply.pair, time.Now())
	e.happenedLocked(EventLoggedIn, "falcred login")
	return nil
}

// renote changes what falcred.json says of the newest login, and returns what it
// said before.
func (e *errand) renote(note memory) (former memory) {
	e.mu.Lock()
	defer e.mu.Unlock()
	former = e.memory
	e.memory.follow(note)
	e.saveMemoryLocked()
	return former
}

// SignOut ends the login of a home where no daemon runs: revoke, then delete.
// local leaves the issuer out.
func SignOut(cfg Config, local bool) (protocol.EraseAnswer, error) {
	path := cfg.tokenPath()
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) && len(otherPlaces(path, "")) == 0 {
		return protocol.EraseAnswer{}, protocol.ErrNotFound // and no home is made to say so
	}
	if err := prepareHome(cfg.Home); err != nil {
		return protocol.EraseAnswer{}, err
	}
	l, err := newLogin(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return protocol.EraseAnswer{}, err
	}
	defer l.close()
	defer l.work.Wait()
	return l.signOut(local)
}
