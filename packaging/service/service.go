// Package service is how falcred speaks to service managers: systemd, OpenRC, SysV's init,
// launchd, and a desktop session that has none, which Windows' is too. github.com/kardianos/service does what it
// knows; packaging/README.md has the table of what it does for each of them, and why the rest
// is here. The texts of units and scripts are package packaging's.
//
// A [Service] is for one goroutine. Every verb gives up after [Patience]; what follows the first
// line of its error is what a tool has said, or what to do.
package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Patience is how long a verb waits for a service manager: more than a daemon has to end
// (60 s) and to start.
const Patience = 2 * time.Minute

var errManager = errors.New("it did not return within 2 min: does the service manager work?")

// Log takes lines, each with its priority. It is safe for concurrent use.
type Log struct{ Info, Warning, Err func(line string) error }

// Service is one home's. [Of] names it.
type Service struct {
	User   string            // whose login it serves
	Home   string            // the login's
	Socket string            // where the daemon serves
	System bool              // a service of the machine
	Env    map[string]string // what the daemon has to know: its home and socket

	name     string // of the unit, script or agent, without what the platform adds
	standard bool   // Home is ~/.fal
	account  account
	out, err io.Writer
}

// manager is a service manager's way to do what there is to do.
type manager interface {
	// check says why there can be no service, before anything is written.
	check(ctx context.Context) error
	// install writes what is missing or has changed, and has the daemon run, and start by
	// itself from now on.
	install(ctx context.Context) error
	// uninstall ends the daemon and removes what install wrote. What is not there is no error.
	uninstall(ctx context.Context) error
	start(ctx context.Context) error
	stop(ctx context.Context) error
	restart(ctx context.Context) error
	// status shows the service as the manager's own tool does, and returns its exit status.
	status(ctx context.Context) (code int, err error)
	state(ctx context.Context) State
}

// State is how a service stands, as its manager says.
type State struct {
	Manager   string // "systemd", "OpenRC", …; "" where none is known
	Unit      string // as the manager calls it
	Installed bool
	Running   bool
	OnDemand  bool   // a request starts it
	Outlives  bool   // it goes on when its user logs out
	Misled    string // the mistake of configuration that has ended it; "?" where nobody knows which
	Unknown   string // why nobody could be asked
}

// State asks the manager, for [Patience] at most.
func (s *Service) State(ctx context.Context) State {
	ctx, cancel := context.WithTimeoutCause(ctx, Patience, errManager)
	defer cancel()
	m, err := s.manager()
	if err == nil {
		err = m.check(ctx)
	}
	if err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		return State{Unknown: text}
	}
	return m.state(ctx)
}

// Do is one of install, uninstall, start, stop, restart and status. code is the exit status. For
// the last it is what the manager's own tool has: 0 while the service runs, 3 where it does not.
// It is 4, with an error, where all but the first two find none.
func (s *Service) Do(ctx context.Context, verb string) (code int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Patience, errManager)
	defer cancel()
	m, err := s.manager()
	if err != nil {
		return 1, err
	}
	if verb != "status" {
		if err := s.mayChange(verb); err != nil {
			return 1, err
		}
	}
	if err := m.check(ctx); err != nil {
		return 1, err
	}
	if verb != "install" && verb != "uninstall" && !m.state(ctx).Installed {
		return notInstalled, fmt.Errorf("no service is installed for %s\nto install it: %s", s.Home, s.Line("install"))
	}
	switch verb {
	case "install":
		return 0, s.install(ctx, m)
	case "uninstall":
		return 0, m.uninstall(ctx)
	case "start":
		return 0, m.start(ctx)
	case "stop":
		return 0, m.stop(ctx)
	case "restart":
		return 0, m.restart(ctx)
	case "status":
		return m.status(ctx)
	}
	panic("no verb of a service: " + verb)
}

// The exit statuses of a service's status, as systemctl and the LSB have them.
const (
	notRunning   = 3
	notInstalled = 4
)

// install looks before it writes: a daemon that can only refuse is no service.
func (s *Service) install(ctx context.Context, m manager) error {
	program, err := s.program()
	if err != nil {
		return err
	}
	if err := s.wouldStart(ctx, program); err != nil {
		return err
	}
	fresh := !m.state(ctx).Installed
	if err := m.install(ctx); err != nil {
		if fresh { // nothing half done stays
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), Patience)
			defer cancel()
			m.uninstall(undo)
		}
		return err
	}
	if names := strayed(os.Environ()); len(names) > 0 && !s.System {
		s.say("the service does not get %s of this shell: put it into %s", strings.Join(names, ", "), s.envFile())
	}
	s.say("to undo it: %s", s.Line("uninstall"))
	return nil
}

func (s *Service) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n", args...) }

// Line is the command that does something to this very service.
func (s *Service) Line(verb string) string {
	line := "falcred service " + verb
	if s.System {
		return "sudo " + line + " --system --run-as " + shellWord(s.User)
	}
	if !s.standard {
		return withHome(s.Home, line)
	}
	return line
}

// plainWord says whether a shell takes text for one word as it is; more are signs that mean
// nothing to it.
func plainWord(text, more string) bool {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(more, r)
	}
	return text != "" && strings.IndexFunc(text, func(r rune) bool { return !plain(r) }) < 0
}

// environment is the session's, and what the daemon has to know.
func (s *Service) environment() []string {
	env := s.session()
	for name, value := range s.Env {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}
