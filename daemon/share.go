package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/falcred/falcred/daemon/alarm"
	"github.com/falcred/falcred/protocol"
)

// Sharing (S7): others get a socket of their own. Who is forwarded to by OpenSSH,
// or sits in a container, gets the login's access token there and nothing else.

var errOnlyReads = protocol.Errorf(protocol.CodeDenied, "this socket is for reading only\nuse the owner's own")

// ownersVerbs are denied there.
var ownersVerbs = []string{protocol.VerbStore, protocol.VerbErase, protocol.VerbStop}

// overreach is logged, and the verb: not what came with it (R12).
const overreach = "a client of the share socket asked for what only the owner may"

// sharedQuery is what a request may ask for there: the login, never a key of the
// daemon's environment (R12), as it is. Others cannot have it refreshed before
// its time.
func sharedQuery(q protocol.Query) (protocol.Query, error) {
	if q.Rejected != "" {
		return q, protocol.Errorf(protocol.CodeDenied, "Rejected is not taken on this socket\nask again after a while: its owner refreshes ahead of time")
	}
	q.ForceUser, q.MinValid = true, 0
	return q, nil
}

// sharedStatus leaves out what is the owner's business: paths, accounts, keys,
// and texts that may name them.
func (l *Login) sharedStatus() protocol.Status {
	s := l.status()
	l.mu.Lock()
	defer l.mu.Unlock()
	return protocol.Status{
		State: l.loginStateLocked(), Source: "login", Expires: s.Expires, Refreshed: s.Refreshed,
		NextRefresh: s.NextRefresh, Refreshes: s.Refreshes, Unresolved: s.Unresolved,
	}
}

// maxShared bounds what others' connections cost in memory, whatever the limit of
// descriptors: each can hold a request of 64 KiB.
const maxShared = 1024

// shareOf is the part of all connections that others can have: they must not
// keep the owner out (S6).
func shareOf(limit int) int { return min(limit/4, maxShared) }

// share keeps the socket there until ctx ends. What is wrong with it (a folder
// that is not there yet) concerns nobody but the others, and is tried again.
func (l *Login) share(ctx context.Context) {
	look := alarm.New()
	defer look.Close()
	for {
		err := l.shareOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errLost) {
			continue // made anew at once
		}
		l.shareTrouble(err.Error())
		if !nextLook(ctx, look) {
			return
		}
	}
}

// shareTrouble is a warning for as long as it is so.
func (l *Login) shareTrouble(why string) {
	const what = "the share socket is not served: "
	l.mu.Lock()
	defer l.mu.Unlock()
	l.warnings = slices.DeleteFunc(l.warnings, func(text string) bool { return strings.HasPrefix(text, what) && text != what+why })
	if why != "" {
		l.warnLocked(what + why)
	}
}

func (l *Login) shareOnce(ctx context.Context) error {
	sock, err := openShare(l.cfg)
	if err != nil {
		return err
	}
	defer sock.close()
	l.shareTrouble("")
	l.log.Info("sharing", "socket", sock.path, "uids", l.cfg.AllowUIDs)
	ctx, end := context.WithCancel(ctx)
	defer end()
	var lost error
	var guard sync.WaitGroup
	guard.Go(func() {
		lost = sock.guard(ctx, alarm.New())
		end()
	})
	s := newServer(l, sock.path)
	s.sharing, s.others, s.limit, s.grace = true, l.cfg.AllowUIDs, max(shareOf(s.limit), 1), shareGrace
	s.serve(ctx, sock)
	end()
	guard.Wait()
	return lost
}
