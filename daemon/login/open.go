package login

import (
	"context"
	"log/slog"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
)

// Open takes over the login of a home, whose folder must be there. It reads nothing but
// the home until Run, or a request. ctx ends when the daemon is asked to end. The second
// line of an error, if any, says what to do. Close the result.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (*Manager, error) {
	if err := peer.KnownUser(); err != nil {
		return nil, err
	}
	ledger, err := cfg.ledger()
	if err != nil {
		return nil, err
	}
	lost := ledger.Issuer == ""
	if ledger, err = ledger.SettleIssuer(cfg.Issuer, issuer.FalIssuer, cfg.FalsHome); err != nil {
		return nil, err
	}
	m := &Manager{
		cfg:       cfg,
		log:       log,
		issuer:    issuer.New(cfg.Issuer, cfg.ClientID, cfg.Transport),
		ending:    endingWith(ctx),
		pause:     newPause(),
		asking:    newPause(),
		wake:      make(chan struct{}, 1),
		rotations: make(chan string, 1),
		actions:   actionQueue{more: make(chan struct{}, 1)},
		performed: make(chan struct{}),
		turn:      make(chan struct{}, 1),
	}
	m.actions.work = &m.work
	m.turn <- struct{}{}
	m.file = tokenfile.In(cfg.Home, m.Warn)
	m.state.Ledger = ledger
	if lost {
		m.state.ledgerRev++
	}
	// Until the fal config says otherwise: it may be half written just now.
	m.state.Team.Name = ledger.Team.Name
	if cfg.Key.Secret != "" {
		m.key = &Answer{Credential: protocol.Credential{Username: "Key", Secret: cfg.Key.Secret}}
	}
	publish(m)
	m.history = events.OpenHistory(cfg.Home, log)
	m.hook = events.OpenHook(cfg.OnChange, cfg.Home, log)
	if cfg.Notify {
		m.desktop = events.OpenNotifier(cfg.Home, cfg.FalsHome, log)
	}
	task.Go(func() { refreshAll(m) })
	task.Go(func() { performAll(m) })
	if problems, err := strict.Examine(cfg.Home); err == nil {
		for _, p := range problems {
			m.Warn(p.Text + "\n" + p.Hint)
		}
	}
	return m, nil
}

// Wait waits for what is under way. Nobody may ask for anything new by then.
func (m *Manager) Wait() { m.work.Wait() }

// Close waits for what is under way and ends what is behind the login. Nothing may be
// asked of it afterwards.
func (m *Manager) Close() {
	m.Wait()
	close(m.rotations)
	m.actions.end()
	task.Wait(task.Forever, m.performed)
	m.hook.Close(m.ending.last)
	m.desktop.Close(m.ending.last)
	m.history.Close()
}
