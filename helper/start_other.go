//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package helper

import "context"

// start never starts a daemon here: a service does that (S8).
func (r *run) start(context.Context, string) error { return ErrNotRunning }
