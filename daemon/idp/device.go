package idp

import (
	"crypto/rand"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code" // RFC 8628 section 3.4

// deviceLifetime is Auth0's default.
const deviceLifetime = 15 * time.Minute

// device is one device code, until it is redeemed or has expired.
type device struct {
	userCode string // with its hyphen
	scope    string
	expires  time.Time
	interval time.Duration
	polled   time.Time
	sub      string // who approved it; empty while nobody has
	denied   bool
}

// Approve lets the login with that user code go on, as sub.
func (p *Provider) Approve(userCode, sub string) error {
	return p.decide(userCode, func(d *device) { d.sub = sub })
}

// Deny refuses the login with that user code.
func (p *Provider) Deny(userCode string) error {
	return p.decide(userCode, func(d *device) { d.denied = true })
}

func (p *Provider) decide(userCode string, decision func(*device)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range p.devices {
		if canonical(d.userCode) == canonical(userCode) && time.Now().Before(d.expires) {
			decision(d)
			return nil
		}
	}
	return fmt.Errorf("no login waits for the user code %q", userCode)
}

// canonical forgives what people do to a code they type (RFC 8628 section 6.1).
func canonical(userCode string) string {
	return strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(userCode))
}

// newUserCode has no vowels, so it spells nothing (RFC 8628 section 6.1).
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	b := make([]byte, 8)
	rand.Read(b) // never fails
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// serveDeviceCode is the device authorization endpoint (RFC 8628 section 3.1).
func (p *Provider) serveDeviceCode(w http.ResponseWriter, r *http.Request) {
	if !parseForm(w, r) || !p.checkClient(w, r) {
		return
	}
	code, d := randomToken(""), p.newDevice(r.PostForm.Get("scope"))
	p.mu.Lock()
	p.devices[code] = d
	p.mu.Unlock()
	activate := p.base + "/activate"
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code":               code,
		"user_code":                 d.userCode,
		"verification_uri":          activate,
		"verification_uri_complete": activate + "?user_code=" + url.QueryEscape(d.userCode),
		"expires_in":                int64(time.Until(d.expires).Round(time.Second) / time.Second),
		"interval":                  int64((d.interval + time.Second - 1) / time.Second),
	})
}

func (p *Provider) newDevice(scope string) *device {
	cfg, _ := p.current()
	d := &device{
		userCode: newUserCode(),
		scope:    scope,
		expires:  time.Now().Add(cfg.DeviceLife),
		interval: cfg.Interval,
	}
	if cfg.AutoApprove {
		d.sub = DefaultSubject
	}
	d.denied = cfg.AutoDeny
	return d
}

// serveDeviceGrant answers a poll (RFC 8628 section 3.4 and 3.5), with Auth0's statuses.
func (p *Provider) serveDeviceGrant(w http.ResponseWriter, r *http.Request, entry *Request) {
	d, refused := p.poll(r.PostForm.Get("device_code"))
	if refused != nil {
		waiting := refused.code == "authorization_pending" || refused.code == "slow_down"
		p.settled(entry, refused.code, !waiting)
		writeError(w, refused)
		return
	}
	g := p.begin(d.sub, d.scope)
	p.settled(entry, "device login", false)
	writeJSON(w, http.StatusOK, p.issue(g, Fault{}))
}

// poll redeems a device code that was approved: a code is good for one login.
func (p *Provider) poll(code string) (*device, *oauthError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, now := p.devices[code], time.Now()
	if d == nil {
		return nil, &oauthError{http.StatusForbidden, "invalid_grant", "Invalid or expired device code."}
	}
	if !now.Before(d.expires) {
		delete(p.devices, code)
		return nil, &oauthError{http.StatusForbidden, "expired_token", "The device code has expired."}
	}
	if d.denied {
		delete(p.devices, code)
		return nil, &oauthError{http.StatusForbidden, "access_denied", "User cancelled the confirmation prompt."}
	}
	// Half the interval, because polls sent on time can arrive closer together than they left.
	early := now.Sub(d.polled) < d.interval/2
	d.polled = now
	if early {
		d.interval += 5 * time.Second // RFC 8628 section 3.5
		return nil, &oauthError{http.StatusTooManyRequests, "slow_down", "You are polling faster than allowed."}
	}
	if d.sub == "" {
		return nil, &oauthError{http.StatusForbidden, "authorization_pending", "User has yet to authorize the device."}
	}
	delete(p.devices, code)
	p.stats.DeviceLogins++
	return d, nil
}

const (
	activatePage = "<!doctype html>\n<title>Test login</title>\n<h1>Test login</h1>\n"
	activateForm = `<form method="post">
<p><label>Code <input name="user_code" value="%s"></label>
<p><button name="decision" value="approve">Approve</button> <button name="decision" value="deny">Deny</button>
</form>
`
)

// serveActivate is the page a person would confirm the code on. It asks for no password and takes
// anybody's word: see the package doc.
func (p *Provider) serveActivate(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	code, status := r.FormValue("user_code"), http.StatusOK
	body := fmt.Sprintf(activateForm, html.EscapeString(code))
	if r.Method == http.MethodPost {
		message, decide := "Denied. You can close this page.", p.Deny
		if r.PostFormValue("decision") == "approve" {
			message = "Approved. You can close this page."
			decide = func(code string) error { return p.Approve(code, DefaultSubject) }
		}
		if err := decide(code); err != nil {
			message, status = err.Error(), http.StatusNotFound
		}
		body = "<p>" + html.EscapeString(message) + "</p>\n"
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, activatePage+body)
}
