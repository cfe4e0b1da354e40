//go:build linux || darwin

package service

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"time"

	"github.com/kardianos/service"
)

// theirs is a service as kardianos knows it, of one of its systems. text is the whole unit or
// script: it has nothing of its template language.
func (s *Service) theirs(system, name, option, text string) (service.Service, error) {
	for _, known := range service.AvailableSystems() {
		if known.String() == system {
			return known.New(nil, &service.Config{
				Name: name, Option: service.KeyValue{"UserService": !s.System, option: text},
			})
		}
	}
	return nil, fmt.Errorf("no service manager %s is known on this platform", system)
}

// runs is what kardianos says of a service; who cannot be asked does not run.
func runs(ctx context.Context, s service.Service) bool {
	var status service.Status
	err := bounded(ctx, func() (err error) {
		status, err = s.Status()
		return err
	})
	return err == nil && status == service.StatusRunning
}

// serveLimit is how long a new daemon may take until it answers: another may have to end first.
const serveLimit = 50 * time.Second

// answers waits until a daemon serves the login. A script's start says too early that it does.
func (s *Service) answers(ctx context.Context, program string) error {
	ctx, cancel := context.WithTimeout(ctx, serveLimit)
	defer cancel()
	for {
		var status struct{ Running bool }
		said, _ := s.outputOf(exec.CommandContext(ctx, program, "status", "--json")) // #nosec G204 -- ourselves
		if json.Unmarshal([]byte(said), &status) == nil && status.Running {
			return nil
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("the service was started, and no daemon answers within %s\nsee what falcred says in the system's log, or, as %s: falcred run --check", serveLimit, s.User)
		}
	}
}
