package helper

import (
	"context"
	"strings"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// ErrForeign says that a server is none of fal's, nor one that this end's environment
// names. It wraps [protocol.ErrNotFound], and does not repeat the URL, which may hold a
// password.
var ErrForeign error = foreign{protocol.ErrNotFound}

type foreign struct{ error }

func (f foreign) Unwrap() error { return f.error }

// Get answers with a credential for q.ServerURL, by the rule of the SDK:
// unless FAL_FORCE_AUTH_BY_USER is 1 or q.ForceUser is set, a key of this end's
// own environment answers at once, with no daemon; else the daemon does. For a
// server that is not fal's nobody is asked ([ErrForeign]). Errors of the daemon are a
// *[protocol.Error].
//
// Get starts no daemon itself ([ErrNotRunning]): that is for docker-credential-fal.
func (c *Client) Get(ctx context.Context, q protocol.Query) (protocol.Credential, error) {
	if c.serversErr != nil {
		return protocol.Credential{}, c.serversErr
	}
	if _, err := q.Payload(); err != nil {
		return protocol.Credential{}, err
	}
	asked := strings.TrimSpace(q.ServerURL)
	if !c.servers.Match(asked) {
		return protocol.Credential{}, ErrForeign
	}
	if key, ok := env.FindKey(c.getenv); ok && !q.ForceUser {
		if odd := env.OddKey(c.getenv); odd != "" {
			return protocol.Credential{}, protocol.Errorf(protocol.CodeBadRequest, "%s in the environment %s", odd, env.OddKeyText)
		}
		return protocol.Credential{ServerURL: asked, Username: "Key", Secret: key.Secret}, nil
	}
	if !c.servers.IsFal(asked) {
		// This end's own environment named it (§4); the daemon's did not have to.
		q.ServerURL = protocol.DefaultServer
	}
	q.ForceUser = q.ForceUser || env.ForceUser(c.getenv)
	cred, err := c.fromDaemon(ctx, q)
	if err != nil {
		return protocol.Credential{}, err
	}
	cred.ServerURL = asked
	return cred, nil
}
