//go:build !linux && !darwin

package helper

import "context"

// start starts nothing where nothing serves.
func (r *run) start(context.Context, string) error { return ErrNotRunning }
