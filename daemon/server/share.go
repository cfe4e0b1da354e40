package server

import (
	"context"
	"errors"
	"sync"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/socket"
)

// Sharing (S7): others get a socket of their own. Who is forwarded to by OpenSSH, or sits
// in a container, gets the login's access token there and nothing else.

// notShared begins the warning that says why others are not served.
const notShared = "the share socket is not served: "

// Share keeps a socket for others at path until ctx ends: for the users that uids name,
// or for ourselves from elsewhere where none are. What is wrong with it (a folder that is
// not there yet) concerns nobody but the others: it is a warning in status for as long as
// it is so, and is tried again. The options are those of the owner's server, whose Shared
// is set.
func Share(ctx context.Context, m *login.Manager, path string, uids []int, o Options) {
	minute := clock.New()
	defer minute.Close()
	for {
		err := shareOnce(ctx, m, path, uids, o)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, socket.ErrLost):
			continue // made anew at once
		}
		m.WarnInstead(notShared, err.Error())
		if !clock.NextMinute(ctx, minute) {
			return
		}
	}
}

func shareOnce(ctx context.Context, m *login.Manager, path string, uids []int, o Options) error {
	sock, err := socket.OpenShared(path, uids)
	if err != nil {
		return err
	}
	defer sock.Close()
	m.WarnInstead(notShared, "")
	o.Log.Info("sharing", "socket", sock.Path(), "uids", uids)
	ctx, end := context.WithCancel(ctx)
	defer end()
	var lost error
	var guard sync.WaitGroup
	guard.Go(func() {
		lost = sock.Guard(ctx, clock.New())
		end()
	})
	newShared(m, uids, o).Serve(ctx, sock)
	end()
	guard.Wait()
	return lost
}

// newShared makes the server of a share socket.
func newShared(m *login.Manager, uids []int, o Options) *Server {
	s := New(m, o)
	s.readOnly, s.others, s.grace = true, uids, shareGrace
	s.limit = max(shareOf(maxConnections()), 1)
	return s
}
