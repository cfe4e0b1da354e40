package idp

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"
)

// Stats counts since the provider was made.
type Stats struct {
	TokenRequests   int // at the token endpoint, whatever came of them
	Refreshes       int // accepted, Replays included
	Replays         int // accepted inside the overlap, of a token that was not the newest
	ReuseDetections int // of a spent token outside the overlap
	FamiliesRevoked int // by reuse, RevokeFamily or the revocation endpoint
	DeviceLogins    int // device codes redeemed
	Revocations     int // requests at the revocation endpoint, of unknown tokens too
	Rejected        int // token requests refused with an OAuth error; neither a device code that is still pending nor a fault's own answer
	TeamRequests    int // at /users/teams
}

// Request is one request at the token endpoint, in order of arrival.
type Request struct {
	Time        time.Time
	Grant       string // grant_type
	Basic       bool   // the client came by the Basic header
	RefreshHash string // SHA-256 of the refresh token in hex, or empty
	Fault       string // the name of the fault it met, or empty
	Outcome     string // what the provider did: rotated, replayed, not rotated, reuse detected, …; empty while undecided
}

// maxRequests bounds the record: more than any test looks at, and a long demo stays small.
const maxRequests = 10000

// Stats returns the counters.
func (p *Provider) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Requests returns the latest requests at the token endpoint, oldest first.
func (p *Provider) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]Request, 0, len(p.log))
	for _, e := range p.log {
		list = append(list, *e)
	}
	return list
}

// arrived records a token request and takes the fault that it will meet: both in one step, so that
// faults are met in the order of the record.
func (p *Provider) arrived(r *http.Request) (*Request, Fault) {
	_, _, basic := r.BasicAuth()
	e := &Request{Time: time.Now(), Grant: r.PostForm.Get("grant_type"), Basic: basic}
	if token := r.PostForm.Get("refresh_token"); token != "" {
		sum := sha256.Sum256([]byte(token))
		e.RefreshHash = hex.EncodeToString(sum[:])
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.TokenRequests++
	var f Fault
	if e.Grant == "refresh_token" {
		f = p.nextFaultLocked()
		e.Fault = f.Name
	}
	if len(p.log) == maxRequests {
		p.log = p.log[1:]
	}
	p.log = append(p.log, e)
	return e, f
}

// settled records what was decided about a request, before its reply is written.
func (p *Provider) settled(e *Request, outcome string, rejected bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Outcome = outcome
	if rejected {
		p.stats.Rejected++
	}
}
