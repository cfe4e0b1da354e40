package issuer

import (
	"context"
	"fmt"
	"net/url"
)

// falReturn is where fal's issuer sends a browser that has logged out, as the fal CLI has it.
const falReturn = "https://fal.ai"

// EndSession is the address at which a browser ends its session at the issuer, so that the next
// login can be another account's. It is opened by a person's browser, and never asked by falcred.
// All that it carries is which client asks and, at fal's, a fixed address to go on to: no
// id_token_hint, since what is in a browser's history is no place for a token. Other issuers are
// given no address to go on to: they know none of falcred's, and some refuse the logout then.
// The second line of an error says what to do.
func (p *Provider) EndSession(ctx context.Context) (string, error) {
	e, err := p.Discover(ctx)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err != nil {
		return "", plainly(err)
	}
	const byHand = "log out there in the browser that you log in with, and then: falcred login"
	if e.EndSession == "" {
		return "", fmt.Errorf("%s names no address at which a browser logs out\n%s", p.url, byHand)
	}
	u, err := url.Parse(e.EndSession)
	if err != nil || !p.trusts(e.EndSession) { // R13
		return "", fmt.Errorf("the address at which %s has a browser log out is neither https nor, like the issuer, on loopback\n%s", p.url, byHand)
	}
	query := u.Query()
	query.Set("client_id", p.clientID)
	if p.url == FalIssuer {
		query.Set("returnTo", falReturn)
	}
	u.RawQuery, u.Fragment = query.Encode(), ""
	return u.String(), nil
}
