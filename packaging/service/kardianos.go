package service

import (
	"context"
	"runtime"

	"github.com/kardianos/service"
)

// A program that falcred's service managers start is a [service.Interface] of kardianos: it
// is begun, waited for, and asked to end.
type program struct {
	run   func(ctx context.Context) error
	ctx   context.Context // ends when the daemon is to end
	end   context.CancelFunc
	ended chan struct{}
	err   error
}

// Start begins to run.
func (p *program) Start(service.Service) error {
	go func() {
		defer close(p.ended)
		p.err = p.run(p.ctx)
	}()
	return nil
}

// Stop has it end, waits for that, and returns what came of it.
func (p *program) Stop(service.Service) error {
	p.end()
	<-p.ended
	return p.err
}

// wait returns when the program has ended, by itself or by ctx.
func (p *program) wait() { <-p.ended }

// Run runs a daemon as service managers want it run, until ctx ends or run returns, and
// returns what that does: its exit status is for the manager. Where kardianos knows no
// manager for the platform, run is called as it is; so it is on Windows, where falcred is none of
// its services, and kardianos would wait for Ctrl-C however run ends (service_windows.go:401).
func Run(ctx context.Context, run func(ctx context.Context) error) error {
	if runtime.GOOS == "windows" {
		return run(ctx)
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	p := &program{run: run, ctx: ctx, end: end, ended: make(chan struct{})}
	s, err := service.New(p, &service.Config{Name: "falcred", Option: service.KeyValue{"RunWait": p.wait}})
	if err != nil {
		return run(ctx)
	}
	return s.Run()
}

// bounded does what kardianos does, which knows no limit of time.
func bounded(ctx context.Context, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
