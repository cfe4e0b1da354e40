package main

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// teamPatience is for the question whether a team is known. Who is asked for the first time asks fal's
// REST host, which may take longer.
const teamPatience = 3 * time.Second

// lastMinute is when a get would wait for a refresh: then none is asked for the sake of a status.
const lastMinute = time.Minute

// attribute says to whose account the requests of this shell are attributed, and why. FALCRED_TEAM is
// the login's alone: a key is for its own account, whatever it says.
func (s *standing) attribute(ctx context.Context, client *helper.Client, lookup func(string) (string, bool)) {
	if s.Shell.Source != sourceLogin || s.Login == nil {
		if team := env.Team(lookup); team != nil && *team != "" && s.Shell.For != "" && s.Shell.Warning == "" {
			hint := keyHint(s.Shell.Source)
			if strings.HasPrefix(s.Shell.Source, ofDaemon) {
				hint = daemonKeyHint
			}
			s.Shell.Warning = "FALCRED_TEAM has no effect here: it is about the login, and a key comes before that\n" + hint
		}
		return
	}
	s.Shell.For, s.Shell.Because = s.Login.account(), s.Login.because()
	if env.Team(lookup) == nil || s.Daemon == nil || !s.Shell.Usable || time.Until(s.Daemon.Expires) < lastMinute {
		return
	}
	s.Shell.resolve(ctx, client)
}

// resolve asks for a credential, as a request of this shell would, since only the answer to that says
// whether its team is known. It asks for no refresh, and the credential is dropped.
func (s *shell) resolve(ctx context.Context, client *helper.Client) {
	ctx, cancel := context.WithTimeout(ctx, teamPatience)
	defer cancel()
	_, err := client.Get(ctx, protocol.Query{ServerURL: protocol.DefaultServer})
	switch {
	case err == nil:
	case errors.Is(err, context.DeadlineExceeded):
		s.Warning = "fal has not said yet whether there is such a team\nask again: falcred status"
	default:
		s.Usable = false
		s.Note, s.Hint, _ = strings.Cut(err.Error(), "\n")
		s.Hint = cmp.Or(s.Hint, "falcred doctor")
	}
}
