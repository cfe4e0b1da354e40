package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// What the two say to each other: the new one writes one line when it could serve, and begins when
// the pipe on which the old one says nothing ends, be it by the old one's death.
const (
	// inherited is its value: which descriptors there are, in which order. A program that knows
	// another one refuses.
	inherited = "listener,lock,ready,end"
	// readyLine is what the new one writes.
	readyLine = "ready\n"
	// startLimit is how long it may take until then. It reads some files, and asks nobody.
	startLimit = 10 * time.Second
)

// ErrReplaced says that the new program was replaced while it started, by a newer one.
var ErrReplaced = errors.New("it was replaced while it started")

// Successor is the new program, beside us. Its methods are for one goroutine; Alive is for all.
type Successor struct {
	process *os.Process
	ready   *os.File
	end     *os.File
	gone    chan struct{} // closed when it has ended…
	how     string        // …and how
}

// Start starts what [Program.Newer] has found as our successor, with the two descriptors of a socket. It
// returns when that could serve, and fails where it has not come to that within 10 s, or ctx ends
// before. It does not run any more then.
func (p *Program) Start(ctx context.Context, socket [2]*os.File) (*Successor, error) {
	s, err := p.start(socket)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	said := make(chan error, 1)
	go func() {
		line := make([]byte, len(readyLine))
		_, err := io.ReadFull(s.ready, line)
		if err == nil && string(line) != readyLine {
			err = errors.New("it says something else than falcred would")
		}
		said <- err
	}()
	select {
	case err = <-said:
	case <-ctx.Done():
		err = fmt.Errorf("it was not ready within %s", startLimit)
	}
	if err == nil {
		if now, lookErr := os.Stat(p.Path); lookErr != nil || !same(now, p.seen) {
			s.Kill() // it would take what stands there for what it is itself
			return nil, ErrReplaced
		}
		return s, nil
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if ended {
		select { // it is about to end, or has closed what it was to write to
		case <-s.gone:
			err = errors.New("it ended at once: " + s.how)
		case <-time.After(time.Second):
			err = errors.New("it does not say that it is ready")
		}
	}
	s.Kill()
	return nil, err
}

// start starts the process.
func (p *Program) start(socket [2]*os.File) (s *Successor, err error) {
	ready, sayReady, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer sayReady.Close()
	seeEnd, end, err := os.Pipe()
	if err != nil {
		ready.Close()
		return nil, err
	}
	defer seeEnd.Close()
	if err := strict.Program(p.Path); err != nil { // once more: some seconds have gone by
		ready.Close()
		end.Close()
		return nil, err
	}
	process, err := os.StartProcess(p.Path, append([]string{p.Path}, p.Args...), &os.ProcAttr{
		Dir:   "/",
		Env:   append(p.environ(func(name string) bool { return name != env.Inheritance }), env.Inheritance+"="+inherited),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr, socket[0], socket[1], sayReady, seeEnd},
		Sys:   detached,
	})
	if err != nil {
		ready.Close()
		end.Close()
		return nil, fmt.Errorf("it cannot be started: %w", cause(err))
	}
	s = &Successor{process: process, ready: ready, end: end, gone: make(chan struct{})}
	go func() {
		state, err := process.Wait()
		if s.how = fmt.Sprint(state); err != nil {
			s.how = err.Error()
		}
		close(s.gone)
	}()
	return s, nil
}

// Alive says whether it still runs.
func (s *Successor) Alive() bool {
	select {
	case <-s.gone:
		return false
	default:
		return true
	}
}

// Gone is closed when it has ended.
func (s *Successor) Gone() <-chan struct{} { return s.gone }

// Begin has it serve: we have let go. Its process is its own from then on.
func (s *Successor) Begin() { s.end.Close() }

// Kill ends it before it has begun.
func (s *Successor) Kill() {
	s.process.Kill()
	<-s.gone
	s.ready.Close()
	s.end.Close()
}

// PID is its process.
func (s *Successor) PID() int { return s.process.Pid }
