package journal

import "github.com/falcred/falcred/daemon/tokenfile"

// Asked is what `falcred login` has asked the home's issuer for last. Where the environment
// does not say, the next login is asked for in the same way. The zero value is none.
type Asked struct{ ClientID, Audience, Scopes string }

// ClientOf is the client that a login was made with, and which alone can refresh and revoke
// it (RFC 6749 §6, RFC 7009 §2.1): as falcred knows by having made or refreshed it, or else
// as its access token says. It is "" where neither does.
func (l Ledger) ClientOf(p tokenfile.TokenPair) string {
	if l.IsTip(p.Refresh) && l.ClientID != "" {
		return l.ClientID
	}
	return tokenfile.ClientOf(p.Access)
}

// MadeBy records the client of a login, if that is still the newest.
func (l Ledger) MadeBy(refresh, clientID string) Ledger {
	if l.IsTip(refresh) {
		l.ClientID = clientID
	}
	return l
}
