//go:build !linux

package main

import (
	"context"

	"github.com/falcred/falcred/daemon/doctor"
)

// examineEnded is for service managers that keep why a service has ended.
func examineEnded(context.Context) []doctor.Finding { return nil }
