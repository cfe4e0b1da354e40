//go:build !linux && !darwin && !windows

package main

import (
	"context"

	"github.com/falcred/falcred/protocol/peer"
)

// There is nothing to start here, and no service manager that falcred knows.

func (s *service) install(context.Context) error   { return peer.ErrNotServed }
func (s *service) uninstall(context.Context) error { return peer.ErrNotServed }
func (s *service) start(context.Context) error     { return peer.ErrNotServed }
func (s *service) stop(context.Context) error      { return peer.ErrNotServed }
func (s *service) restart(context.Context) error   { return peer.ErrNotServed }
func (s *service) status(context.Context) error    { return peer.ErrNotServed }
