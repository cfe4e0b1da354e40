package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/packaging/service"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/words"
)

// welcome says whose login is kept, where, and what keeps it from being used here.
func (l *loginRun) welcome(g *issuer.PendingLogin, cfg daemon.Config, over login.Seen) {
	who := "the account is not known"
	if g.Subject+g.Name+g.Email != "" {
		who = (&person{Account: g.Subject, Name: g.Name, Email: g.Email}).called()
	}
	fmt.Fprintf(l.Out, "%s, %s\n", l.Green("logged in"), protocol.Printable(who))
	if l.switchAccount && g.Subject != "" && g.Subject == over.Account {
		fmt.Fprintln(l.Out, l.Yellow(l.Wrap("this is the same account as before: the browser was still logged in as that one. "+
			"Log out at the page that it shows, or use a private window; then:")))
		fmt.Fprintln(l.Out, "falcred login --switch-account")
	}
	fmt.Fprintf(l.Out, "the login is in %s\n", filepath.Join(cfg.Home, env.TokenFile))
	if seen, ok := login.See(cfg.Home); ok && !seen.Ends.IsZero() {
		fmt.Fprintln(l.Out, l.Wrap("it is good until about "+words.Moment(seen.Ends)+", if the issuer ends it at the age of the one before"))
	}
	if g.Doubt != "" {
		fmt.Fprintln(l.Out, l.Yellow(l.Wrap(protocol.Printable(g.Doubt))))
	}
	if key, ok := env.FindKey(l.shell); ok {
		fmt.Fprintf(l.Out, "%s\n", l.Yellow(l.Wrap(keyWins(key.Source, " here", "your"))))
		fmt.Fprintln(l.Out, l.Wrap(keyHint(key.Source)))
	}
}

// keepFresh offers the service where nothing else keeps the login fresh: no daemon runs, and no
// service starts one. docker-credential-fal does, when it is called, and a program that never calls
// it has nothing of that.
func (l *loginRun) keepFresh(ctx context.Context, cfg daemon.Config) error {
	if !peer.Serves {
		return nil
	}
	if d, running := serving(ctx); elsewhere(d, cfg.Home) {
		l.warnOfAnother(d.Home, cfg)
		return nil
	} else if running && !d.OnDemand { // which nothing starts after a restart of the machine
		return nil
	}
	line, installable := "", false
	ui.Patiently(l.Console, "looking for falcred's service", func() (any, error) {
		line, installable = l.whatKeepsFresh(ctx)
		return nil, nil
	})
	if line == "" {
		return nil
	}
	but := "" // where the helper is at hand
	if _, err := exec.LookPath("docker-credential-fal"); err == nil && l.shell("FALCRED_AUTOSTART") != "0" {
		but = "docker-credential-fal starts falcred when it is called; other programs do not."
	}
	if !installable || !l.asks {
		fmt.Fprintln(l.Out, "nothing keeps it fresh yet: "+line) // a command that is broken is none
		if but != "" {
			fmt.Fprintln(l.Out, l.Wrap(but))
		}
		return nil
	}
	fmt.Fprintln(l.Out, "\n"+l.Wrap("Nothing keeps this login fresh yet. "+but+" As a service of yours, falcred runs by itself from now on, "+
		"and no program has to refresh the login. (To undo it later: falcred service uninstall)"))
	yes, err := l.yes(ctx, "Install the service? [Y/n] ", true)
	if err != nil || !yes {
		fmt.Fprintf(l.Out, "to do it later: %s\n", line)
		return nil
	}
	if err := l.installService(ctx); err != nil {
		return fmt.Errorf("you are logged in, but the service was not installed (%w)\ntry again: %s", err, line)
	}
	return nil
}

// warnOfAnother says that this shell's programs ask the daemon of another home: they are given the
// token of the login there, and whether anything keeps this one fresh is not known.
func (l *loginRun) warnOfAnother(home string, cfg daemon.Config) {
	home, here := protocol.Printable(home), protocol.Printable(cfg.Home)
	fmt.Fprintln(l.Out, l.Yellow(l.Wrap("the daemon that programs of this shell ask serves another home, "+home+
		": they are given the login of that one, and it does not keep this login fresh")))
	hint := "to use this login, unset FALCRED_SOCKET, or set it to the socket of a daemon for " + here
	if l.shell("FALCRED_SOCKET") == "" {
		hint = "to use this login, run a daemon for " + here + ": falcred doctor says which socket is asked"
	}
	fmt.Fprintln(l.Out, l.Wrap(hint))
}

// whatKeepsFresh is the command that has a daemon run from now on, "" where one does: the home's
// service is started, or installed, or falcred runs in the foreground where none can be.
func (l *loginRun) whatKeepsFresh(ctx context.Context) (line string, installable bool) {
	installed, states, _ := servicesHere(ctx)
	for _, state := range states {
		if state.Running || state.OnDemand {
			return "", false
		}
	}
	if len(installed) > 0 {
		return strings.TrimPrefix(startLine(ctx), "start it: "), false
	}
	own, err := service.Of("", io.Discard, io.Discard)
	if err != nil || own.State(ctx).Unknown != "" {
		return "falcred run", false
	}
	return own.Line("install"), true
}

// installService is `falcred service install`, with the environment that the shell has given: what
// falcred.env has added to ours would look like settings that the service does not see.
func (l *loginRun) installService(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, "service", "install") // #nosec G204 -- ourselves
	cmd.Args[0], cmd.Env, cmd.Stdout, cmd.Stderr = os.Args[0], l.environ, l.Out, l.errs
	return cmd.Run()
}
