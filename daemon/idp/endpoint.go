package idp

import (
	"net/http"
	"net/url"
)

// maxForm caps a request body. The longest thing sent here is a refresh token, well under 4 KiB.
const maxForm = 64 << 10

// serveToken is the token endpoint (RFC 6749 section 3.2).
func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	if !parseForm(w, r) {
		return
	}
	entry, fault := p.arrived(r)
	if !p.checkClient(w, r) {
		p.settled(entry, "invalid_client", true)
		return
	}
	switch entry.Grant {
	case "refresh_token":
		p.serveRefresh(w, r, entry, fault)
	case deviceGrant:
		p.serveDeviceGrant(w, r, entry)
	case "":
		p.settled(entry, "invalid_request", true)
		writeError(w, &oauthError{http.StatusBadRequest, "invalid_request", "grant_type is missing"})
	default:
		p.settled(entry, "unsupported_grant_type", true)
		writeError(w, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "no such grant here"})
	}
}

// serveRefresh is the refresh grant (RFC 6749 section 6), with the steps that faults come between:
// pause, commit, pause, reply.
func (p *Provider) serveRefresh(w http.ResponseWriter, r *http.Request, entry *Request, f Fault) {
	token := r.PostForm.Get("refresh_token")
	if token == "" {
		p.settled(entry, "invalid_request", true)
		writeError(w, &oauthError{http.StatusBadRequest, "invalid_request", "refresh_token is missing"})
		return
	}
	if !f.Before.done(r.Context()) {
		p.settled(entry, "client left", false)
		panic(http.ErrAbortHandler) // returning would answer an empty 200
	}
	status, fields := http.StatusOK, map[string]any{}
	if f.NoCommit {
		p.settled(entry, "not committed", false)
	} else {
		g, outcome, refused := p.redeem(token, !f.NoRotate)
		p.issued(entry, g.refresh) // first: who sees an outcome sees all of it
		p.settled(entry, outcome, refused != nil)
		if refused != nil {
			status, fields = refused.status, refused.fields()
		} else {
			fields = p.issue(g, f)
		}
	}
	if !f.After.done(r.Context()) {
		panic(http.ErrAbortHandler)
	}
	f.reply(w, r, status, fields)
}

// serveRevoke is RFC 7009. As Auth0 does, it revokes the whole grant, and a JWT cannot be revoked.
// An unknown token is no error (section 2.2).
func (p *Provider) serveRevoke(w http.ResponseWriter, r *http.Request) {
	if !parseForm(w, r) || !p.checkClient(w, r) {
		return
	}
	token := r.PostForm.Get("token")
	if token == "" {
		writeError(w, &oauthError{http.StatusBadRequest, "invalid_request", "token is missing"})
		return
	}
	p.mu.Lock()
	p.stats.Revocations++
	p.mu.Unlock()
	p.RevokeFamily(token)
	w.WriteHeader(http.StatusOK)
}

// parseForm reads the body; what the query says is not heard (RFC 6749 section 2.3.1).
func parseForm(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		writeError(w, &oauthError{http.StatusBadRequest, "invalid_request", "the form cannot be read"})
		return false
	}
	return true
}

// checkClient answers invalid_client unless the request is from the one public client. The Basic
// header is understood so that a client which tries that style first does not go unseen (R6); there
// is no secret to check.
func (p *Provider) checkClient(w http.ResponseWriter, r *http.Request) bool {
	client := r.PostForm.Get("client_id")
	user, _, basic := r.BasicAuth()
	if basic {
		client, _ = url.QueryUnescape(user) // RFC 6749 section 2.3.1
	}
	if cfg, _ := p.current(); client == cfg.ClientID {
		return true
	}
	if basic {
		w.Header().Set("WWW-Authenticate", "Basic") // RFC 6749 section 5.2
	}
	writeError(w, &oauthError{http.StatusUnauthorized, "invalid_client", "no such client"})
	return false
}

func writeError(w http.ResponseWriter, e *oauthError) { writeJSON(w, e.status, e.fields()) }

// writeJSON forbids caching, which RFC 6749 section 5.1 asks of tokens and which spares tests of key
// rotation a stale key set.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	w.Write(mustJSON(v)) // who does not read the answer does not get it
}
