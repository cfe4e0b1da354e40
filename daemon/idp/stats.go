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
	ReuseDetections int // of a consumed token outside the overlap
	FamiliesRevoked int // by reuse, RevokeFamily or the revocation endpoint
	DeviceLogins    int // device codes redeemed
	Revocations     int // requests at the revocation endpoint, of unknown tokens too
	Rejected        int // token requests refused with an OAuth error; neither a device code that is still pending nor a fault's own answer
	TeamRequests    int // at /users/teams
}

// Request is one request at the token endpoint, in order of arrival.
type Request struct {
	Number      int // from 1: whoever reads the record while it runs knows what is new
	Time        time.Time
	Grant       string // grant_type
	Basic       bool   // the client came by the Basic header
	Agent       string // User-Agent: whose request this is
	RefreshHash string // SHA-256 of the refresh token in hex, or empty
	Issued      string // the same of the refresh token that was issued for it, or empty
	Fault       string // the name of the fault it met, or empty
	Outcome     string // what the provider did: rotated, replayed, not rotated, reuse detected, …; empty while undecided
	Decided     time.Time
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
	e := &Request{Time: time.Now(), Grant: r.PostForm.Get("grant_type"), Basic: basic,
		Agent: r.UserAgent(), RefreshHash: hash(r.PostForm.Get("refresh_token"))}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.TokenRequests++
	e.Number = p.stats.TokenRequests
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
	e.Outcome, e.Decided = outcome, time.Now()
	if rejected {
		p.stats.Rejected++
	}
}

// issued records the refresh token that a request was granted: who has consumed which token, and what
// came of it, can then be told from the record alone.
func (p *Provider) issued(e *Request, refresh string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Issued = hash(refresh)
}

// hash names a token where the token itself must not stand.
func hash(token string) string {
	if token == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
