package helper

import (
	"context"
	"strings"

	"github.com/falcred/falcred/protocol"
)

// Get answers with a credential for q.ServerURL, by the rule of the SDK (§5):
// unless FAL_FORCE_AUTH_BY_USER is 1 or q.ForceUser is set, a key of this end's
// own environment answers at once, with no daemon; else the daemon does. For a
// server that is not fal's nobody is asked, and the error wraps
// [protocol.ErrNotFound]. Errors of the daemon are a *[protocol.Error].
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
		return protocol.Credential{}, errForeign
	}
	if key, ok := protocol.KeyFromEnv(c.getenv); ok && !q.ForceUser {
		return fromKey(asked, key)
	}
	if !c.servers.IsFal(asked) {
		// This end's own environment named it (§4); the daemon's did not have to.
		q.ServerURL = protocol.DefaultServer
	}
	q.ForceUser = q.ForceUser || protocol.ForceUser(c.getenv)
	cred, err := c.fromDaemon(ctx, q)
	if err != nil {
		return protocol.Credential{}, err
	}
	cred.ServerURL = asked
	return cred, nil
}

func fromKey(server string, key protocol.Key) (protocol.Credential, error) {
	cred := protocol.Credential{ServerURL: server, Username: "Key", Secret: key.Secret}
	if !usable(cred) {
		return protocol.Credential{}, protocol.Errorf(protocol.CodeBadRequest,
			"%s holds a line break or another byte that cannot be in a header\nset it again, without", key.Source)
	}
	return cred, nil
}
