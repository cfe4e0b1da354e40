package main

import (
	"context"
	"log/slog"

	"github.com/falcred/falcred/packaging/service"
)

// syslog is a handler whose records go to the system's log, each with its own priority: one
// handler of text for each of them.
type syslog struct{ info, warning, err slog.Handler }

// line is a function that takes a line.
type line func(string) error

func (l line) Write(text []byte) (int, error) { return len(text), l(string(text)) }

func newSyslog(log service.Log, options *slog.HandlerOptions) slog.Handler {
	text := func(l line) slog.Handler {
		return slog.NewTextHandler(l, &slog.HandlerOptions{Level: options.Level, ReplaceAttr: noTime})
	}
	return syslog{text(log.Info), text(log.Warning), text(log.Err)}
}

// noTime leaves out what the system's log has for each line itself.
func noTime(groups []string, a slog.Attr) slog.Attr {
	_, level := a.Value.Any().(slog.Level)
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey && level) {
		return slog.Attr{}
	}
	return a
}

func (s syslog) Enabled(ctx context.Context, level slog.Level) bool {
	return s.info.Enabled(ctx, level)
}

func (s syslog) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case r.Level >= slog.LevelError:
		return s.err.Handle(ctx, r)
	case r.Level >= slog.LevelWarn:
		return s.warning.Handle(ctx, r)
	}
	return s.info.Handle(ctx, r)
}

func (s syslog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return syslog{s.info.WithAttrs(attrs), s.warning.WithAttrs(attrs), s.err.WithAttrs(attrs)}
}

func (s syslog) WithGroup(name string) slog.Handler {
	return syslog{s.info.WithGroup(name), s.warning.WithGroup(name), s.err.WithGroup(name)}
}
