//go:build linux

package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// provider is the issuer. It rotates refresh tokens, and ends a login when one comes back
// that was used up, unless it is the one before the newest and within the overlap (RFC 9700
// §4.14.2; Auth0's rule). It knows who has asked for what.
type provider struct {
	w        *world
	lifetime time.Duration // of access tokens
	overlap  time.Duration
	opaque   bool // its access tokens say nothing
	grants   map[string]*grant
	accesses map[string]*access
	families int
	issued   int
	key      ed25519.PrivateKey
	keyID    int
	wrongID  bool // the next ID token is somebody else's
	bare     bool // the next answer has a refresh token alone
	late     bool // who sent the request that is handled waits no more
}

// family is one login: all the tokens that came of it.
type family struct {
	id      int
	subject string
	newest  *grant
	ended   string // why it is over, "" while it lives
	// excuse is why falcred cannot be blamed for its end, or for its newest token being in
	// nobody's hands: what a neighbour did, or physics.
	excuse string
}

// grant is one refresh token.
type grant struct {
	fam        *family
	refresh    string
	generation int
	from       *grant        // what was used up for it
	retired    time.Duration // when it was followed by a newer one, in true time; 0 while it is the newest
	by         *process      // who had it used up first
	reached    *process      // the falcred that the whole answer, the tokens after it, has reached
	recorded   bool          // that answer is on the disk for good
	noted      bool          // the daemons have seen what a neighbour has got for it
	wrong      bool          // came with an ID token that is somebody else's…
	distrusted bool          // …and a falcred has put it into the file, which it does when it has written that down
	closed     time.Duration // when a logout here alone has noted that it is not to be used; 0: none has
}

// access is one access token.
type access struct {
	fam      *family
	issued   time.Duration // as mono counts…
	slept    time.Duration // …and for how long the machine had slept then
	ends     time.Time
	misdated bool // came while the machine's clock was wrong: who starts when it is right again, or wakes, cannot tell its end
	wrong    bool // came with an ID token that is somebody else's
}

// login begins a family.
func (p *provider) login(subject string) *family {
	p.families++
	f := &family{id: p.families, subject: subject}
	p.follow(f, nil)
	return f
}

// follow makes the newest refresh token of a family.
func (p *provider) follow(f *family, from *grant) *grant {
	p.issued++
	g := &grant{fam: f, refresh: "rt." + strconv.Itoa(f.id) + "." + strconv.Itoa(p.issued), from: from, generation: 1}
	if from != nil {
		g.generation = from.generation + 1
	}
	if f.newest != nil {
		f.newest.retired = max(p.w.clock.elapsed(), 1)
	}
	f.newest = g
	p.grants[g.refresh] = g
	return g
}

// alive says whether a refresh token would be accepted by any issuer.
func (g *grant) alive() bool { return g != nil && g.fam.ended == "" && g == g.fam.newest }

// redeem uses up a refresh token for who asks. It is nil where that is refused.
func (p *provider) redeem(refresh string, who *process) *grant {
	g := p.grants[refresh]
	if g == nil || g.fam.ended != "" {
		return nil
	}
	f := g.fam
	if g != f.newest {
		late := p.w.clock.elapsed() - g.retired
		if g.generation < f.newest.generation-1 || late > p.overlap {
			f.ended = fmt.Sprintf("%s sent a token that was followed %v before", who.name, late.Round(time.Millisecond))
			p.w.say("the issuer ends login %d: %s", f.id, f.ended)
			p.w.judge.reuse(g, who)
			return nil
		}
		if p.late {
			f.excuse = "a request that was given up arrived after its replay"
		}
	} else {
		g.by = who
	}
	return p.follow(f, g)
}

// token is a new access token of a family.
func (p *provider) token(f *family) string {
	p.issued++
	now := p.w.clock.truth()
	text := "at." + strconv.Itoa(p.issued)
	if !p.opaque {
		claims := `{"iss":"` + issuer.FalIssuer + `","sub":"` + f.subject + `","aud":"fal-cloud","iat":` + strconv.FormatInt(now.Unix(), 10) +
			`,"exp":` + strconv.FormatInt(now.Add(p.lifetime).Unix(), 10) + `,"jti":"` + strconv.Itoa(p.issued) + `"`
		if p.w.plan.long {
			claims += `,"permissions":"` + strings.Repeat("read:apps ", 40) + `"`
		}
		claims += "}"
		text = "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig"
	}
	p.accesses[text] = &access{fam: f, issued: p.w.clock.mono, slept: p.w.clock.slept, ends: now.Add(p.lifetime), misdated: p.w.clock.off != 0}
	if len(p.accesses) > 4096 { // those that have run out long ago are not asked about
		for old, a := range p.accesses {
			if now.Sub(a.ends) > 48*time.Hour {
				delete(p.accesses, old)
			}
		}
	}
	return text
}

// pair is what a neighbour gets for a refresh token, or for nothing, by a person's login.
func (p *provider) pair(g *grant) tokenfile.TokenPair {
	return tokenfile.TokenPair{Refresh: g.refresh, Access: p.token(g.fam)}
}

// rotateKey has the ID tokens signed by another key.
func (p *provider) rotateKey() {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(p.w.rng.Uint32()) // #nosec G115 -- any eight bits
	}
	p.key = ed25519.NewKeyFromSeed(seed)
	p.keyID++
}

// idToken says whose the login is, to the client that asked.
func (p *provider) idToken(subject, by, client string) string {
	now := p.w.clock.truth()
	part := func(v any) string {
		data, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		return base64.RawURLEncoding.EncodeToString(data)
	}
	text := part(map[string]any{"alg": "EdDSA", "kid": strconv.Itoa(p.keyID)}) + "." + part(map[string]any{
		"iss": by, "aud": client, "sub": subject, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})
	return text + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(p.key, []byte(text)))
}

// wrongToken is an ID token by another issuer, for another client, or of another account, where
// the chain's is known to who asks.
func (p *provider) wrongToken(subject, known string) string {
	switch x := p.w.rng.Float64(); {
	case x < 0.4:
		return p.idToken(subject, "https://elsewhere.example/", issuer.FalClientID)
	case x < 0.6 || known != subject:
		return p.idToken(subject, issuer.FalIssuer, "another")
	}
	return p.idToken("mallory", issuer.FalIssuer, issuer.FalClientID)
}

// answer is what the issuer says: a status and a body.
type answer struct {
	status int
	body   string
	grant  *grant // what came with it
	wrong  string // the access token whose ID token is wrong
}

// handle answers a request of falcred's.
func (p *provider) handle(path string, form url.Values, who *process) answer {
	switch path {
	case "/.well-known/jwks.json":
		x := base64.RawURLEncoding.EncodeToString(p.key.Public().(ed25519.PublicKey))
		return answer{status: 200, body: fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"%d","x":"%s"}]}`, p.keyID, x)}
	case "/oauth/revoke":
		if g := p.grants[form.Get("token")]; g != nil && g.fam.ended == "" {
			g.fam.ended = "revoked by " + who.name
			p.w.say("the issuer ends login %d: %s", g.fam.id, g.fam.ended)
			p.w.judge.revoked(g, who)
		}
		return answer{status: 200}
	}
	sent := form.Get("refresh_token")
	g := p.redeem(sent, who)
	if g == nil {
		p.w.say("the issuer refuses %s of %s", sent, who.name)
		return answer{status: 403, body: `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`}
	}
	p.w.counts.rotations++
	token := p.token(g.fam)
	wrong := ""
	body := `{"access_token":"` + token + `","refresh_token":"` + g.refresh + `","token_type":"Bearer","expires_in":` + strconv.Itoa(int(p.lifetime/time.Second))
	switch {
	case p.bare: // R6
		p.bare = false
		body = `{"refresh_token":"` + g.refresh + `"`
	case p.wrongID:
		p.wrongID = false
		wrong = token
		g.fam.excuse = "its ID token was somebody else's"
		body += `,"id_token":"` + p.wrongToken(g.fam.subject, p.w.judge.subject(who, sent)) + `"`
	case p.w.rng.Uint32()&15 == 0:
		body += `,"id_token":"` + p.idToken(g.fam.subject, issuer.FalIssuer, issuer.FalClientID) + `"`
	}
	p.w.say("the issuer gives %s for %s to %s", g.refresh, sent, who.name)
	return answer{status: 200, body: body + "}", grant: g, wrong: wrong}
}
