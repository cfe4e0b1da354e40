package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/signal"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
)

// statusPace is how often `status --watch` asks. The daemon's own watch verb
// is about credentials only, and says nothing where no daemon runs.
const statusPace = time.Second

// watchStatus prints the status at first and at each change: on a terminal in
// place, elsewhere one below the other, with --json one line each.
func watchStatus(ctx context.Context, out io.Writer, asJSON bool) error {
	ctx, stop := signal.NotifyContext(ctx, endings...)
	defer stop()
	tick := time.NewTicker(statusPace)
	defer tick.Stop()
	var last []byte
	for {
		s := stand(ctx)
		if ctx.Err() != nil {
			return nil
		}
		now := s.fingerprint()
		moving := ui.IsTerminal(out) && !asJSON // its durations run
		if moving || !bytes.Equal(now, last) {
			if err := s.show(out, asJSON); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// fingerprint leaves out what changes each time.
func (s standing) fingerprint() []byte {
	if s.Daemon != nil {
		d := *s.Daemon
		d.Clients, d.Connections = 0, 0
		s.Daemon = &d
	}
	data, _ := json.Marshal(s)
	return data
}

func (s *standing) show(out io.Writer, asJSON bool) error {
	if asJSON {
		return printLines(out, []standing{s.withMend()})
	}
	text := s.page(out, time.Now()) + "\n"
	if ui.IsTerminal(out) {
		text = ui.Over(out, text)
	}
	_, err := io.WriteString(out, text)
	return err
}
