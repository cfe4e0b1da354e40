package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/words"
)

// statusEvery is how often the service's line in `systemctl status` is renewed.
const statusEvery = time.Minute

// notices report to systemd how the daemon stands (sd_notify(3)): that it serves,
// in which state the login is, and that it is ending. It asks over the socket as
// any client does, so a daemon that hangs is one whose watchdog runs out.
// Without systemd nothing happens.
type notices struct {
	stop context.CancelFunc
	done sync.WaitGroup
}

// underManager says whether a service manager has started this process and
// waits for its notices.
func underManager() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// ownService says whether this process is a service's own, and not something
// that was started inside one and has inherited its variables. systemd says so
// since version 248.
func ownService() bool {
	pid := os.Getenv("SYSTEMD_EXEC_PID")
	return underManager() && (pid == "" || pid == strconv.Itoa(os.Getpid()))
}

func newNotices() *notices { return &notices{stop: func() {}} }

// ready is called once, when clients can reach the daemon.
func (n *notices) ready(socket string) {
	if !ownService() {
		return
	}
	daemon.SdNotify(false, daemon.SdNotifyReady+"\nSTATUS=serving on "+socket)
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	every := statusEvery
	if limit, err := daemon.SdWatchdogEnabled(false); err == nil && limit > 0 {
		every = min(every, limit/3) // one lost answer is not yet the end
	}
	n.done.Go(func() { n.repeat(ctx, socket, every) })
}

// cannotStart tells which mistake keeps the daemon from starting: `systemctl status` and
// `falcred doctor` show the line.
func (n *notices) cannotStart(err error) {
	if ownService() {
		daemon.SdNotify(false, "STATUS="+protocol.Printable(cannotStartStatus+strings.ReplaceAll(err.Error(), "\n", ": ")))
	}
}

// cannotStartStatus begins that line.
const cannotStartStatus = "cannot start: "

// stopping is called first when the daemon is asked to end.
func (n *notices) stopping() {
	if !ownService() {
		return
	}
	daemon.SdNotify(false, daemon.SdNotifyStopping+"\nSTATUS=finishing what was begun")
}

// close ends the repetition.
func (n *notices) close() {
	n.stop()
	n.done.Wait()
}

func (n *notices) repeat(ctx context.Context, socket string, every time.Duration) {
	next := time.NewTicker(every)
	defer next.Stop()
	for {
		n.ask(ctx, socket, every)
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
	}
}

// ask asks once. Any answer is a sign of life: a daemon that turns clients
// away because all its connections are in use is no dead one.
func (n *notices) ask(ctx context.Context, socket string, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := &helper.Client{Socket: socket}
	defer client.Close()
	s, err := client.Status(ctx)
	answered := new(protocol.Error)
	switch {
	case ctx.Err() != nil, errors.Is(err, helper.ErrNoAnswer):
		return
	case err == nil:
		daemon.SdNotify(false, daemon.SdNotifyWatchdog+"\nSTATUS="+protocol.Printable(inShort(s, time.Now())))
	case errors.As(err, &answered):
		daemon.SdNotify(false, daemon.SdNotifyWatchdog)
	}
}

// inShort is one line without secrets.
func inShort(s protocol.Status, now time.Time) string {
	line := "login: " + string(s.State)
	if !s.Expires.IsZero() && s.Expires.After(now) {
		line += fmt.Sprintf(", the access token is good for %s", words.Span(s.Expires.Sub(now)))
	}
	return fmt.Sprintf("%s; %d answered", line, s.Clients)
}
