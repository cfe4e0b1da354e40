//go:build !linux && !darwin

package dockercred

import (
	"context"

	"github.com/falcred/falcred/helper"
)

// start starts nothing where nothing serves.
func (r *run) start(context.Context, string) error { return helper.ErrNotRunning }
