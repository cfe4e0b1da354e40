package helper

import (
	"context"
	"errors"
	"strings"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// Errors that wrap [protocol.ErrNotFound], whose words are docker's and say little.
var (
	// ErrNobody says that nobody is logged in, and no key is set.
	ErrNobody error = notFound("nobody is logged in, and FAL_KEY is not set: falcred login, or fal auth login")

	// ErrForeign says that a server is none of fal's, nor one that this end's environment names. It does
	// not repeat the URL, which may hold a password.
	ErrForeign error = notFound("that is not one of fal's servers; to add it: FALCRED_SERVERS=HOST, or FALCRED_SERVERS=http://127.0.0.1:PORT for one of this machine's")
)

type notFound string

func (e notFound) Error() string { return string(e) }

func (e notFound) Unwrap() error { return protocol.ErrNotFound }

// ErrOlderDaemon says that the daemon does not know of teams for a call, and answers for whom the fal
// config names.
var ErrOlderDaemon = protocol.Errorf(protocol.CodeTeamUnresolved,
	"the falcred that runs is older than this program, and knows no team for a single request\nrestart it: falcred restart")

// errOwnersTeam: others do not choose who pays (S7).
var errOwnersTeam = protocol.Errorf(protocol.CodeDenied,
	"requests with a login that others share are attributed as its owner says, or this socket is not for you\nunset FALCRED_TEAM, and name no team")

// notFor is why a daemon's credential is not for the team that was asked for.
func notFor(cred protocol.Credential) error {
	if cred.Username == "Key" {
		return keyHasNoTeam("a key of the daemon's")
	}
	return ErrOlderDaemon
}

func keyHasNoTeam(source string) *protocol.Error {
	return protocol.Errorf(protocol.CodeTeamUnresolved,
		"%s comes before the login, and a key is for its own account: it cannot be used for a team\nunset it, or set FAL_FORCE_AUTH_BY_USER=1; or name no team", source)
}

// Get answers with a credential for q.ServerURL, by the rule of the SDK:
// unless FAL_FORCE_AUTH_BY_USER is 1 or q.ForceUser is set, a key of this end's
// own environment answers at once, with no daemon; else the daemon does. For a
// server that is not fal's nobody is asked ([ErrForeign]). Errors of the daemon are a
// *[protocol.Error], or wrap one ([ErrNobody]).
//
// Where q names no team, FALCRED_TEAM does ([env.Team]). An answer that is not for that team is none
// ([ErrOlderDaemon], and for a key team_unresolved): the request would be somebody else's to pay. Only a
// team of FALCRED_TEAM gives way to a key, as the fal config's does: it is about the login.
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
		if q.Team != nil {
			return protocol.Credential{}, keyHasNoTeam(key.Source)
		}
		return protocol.Credential{ServerURL: asked, Username: "Key", Secret: key.Secret}, nil
	}
	named := q.Team != nil
	if !named {
		q.Team = env.Team(c.variable)
	}
	if !c.servers.IsFal(asked) {
		// This end's own environment named it (§4); the daemon's did not have to.
		q.ServerURL = protocol.DefaultServer
	}
	q.ForceUser = q.ForceUser || env.ForceUser(c.getenv)
	cred, err := c.fromDaemon(ctx, q)
	if err == nil && !cred.IsFor(q) && (named || cred.Username != "Key") {
		err = notFor(cred)
	}
	if errors.Is(err, protocol.ErrNotFound) {
		err = ErrNobody
	}
	if err != nil {
		return protocol.Credential{}, err
	}
	cred.ServerURL = asked
	return cred, nil
}
