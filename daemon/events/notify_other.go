//go:build !linux

package events

import (
	"context"
	"log/slog"
)

// Notifier shows nothing here: FALCRED_ON_CHANGE can.
type Notifier struct{}

// OpenNotifier shows notifications on Linux alone.
func OpenNotifier(string, bool, *slog.Logger) *Notifier { return nil }

// Add does nothing.
func (*Notifier) Add(Change) {}

// Close does nothing.
func (*Notifier) Close(context.Context) {}

// Quiet does nothing.
func Quiet(string) (end func()) { return func() {} }
