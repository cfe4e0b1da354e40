package daemon

import (
	"cmp"

	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// askedWith is what a login is asked for with, at an issuer. What the environment names wins,
// an empty audience, or empty scopes, too: that is none. Fal's issuer has fal's client,
// audience and scopes. Another has no audience, those of its own that the newest `falcred
// login` of the home was asked for with, or else fal's client id and OpenID's usual scopes.
func askedWith(lookup func(string) (string, bool), issuerURL, home string) journal.Asked {
	asked := journal.Asked{ClientID: issuer.FalClientID, Scopes: issuer.FalScopes}
	if issuerURL == issuer.FalIssuer {
		asked.Audience = issuer.FalAudience
	} else if l, err := journal.Load(home); err == nil && tokenfile.SameIssuer(l.Issuer, issuerURL) { // what is wrong with it is said where it matters
		asked.ClientID = cmp.Or(l.Asked.ClientID, l.ClientID, asked.ClientID)
		if l.Asked.ClientID != "" {
			asked = l.Asked
		}
	}
	if id, _ := lookup("FALCRED_CLIENT_ID"); id != "" {
		asked.ClientID = id
	}
	if audience, named := lookup("FALCRED_AUDIENCE"); named {
		asked.Audience = audience
	}
	if scopes, named := lookup("FALCRED_SCOPES"); named {
		asked.Scopes = scopes
	}
	return asked
}
