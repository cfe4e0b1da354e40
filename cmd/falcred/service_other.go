//go:build !linux && !darwin && !windows

package main

import (
	"context"
	"errors"
)

var errNoManager = errors.New("falcred knows no service manager of this system\nstart it when you log in: falcred run")

func (s *service) install(context.Context) error   { return errNoManager }
func (s *service) uninstall(context.Context) error { return errNoManager }
func (s *service) start(context.Context) error     { return errNoManager }
func (s *service) stop(context.Context) error      { return errNoManager }
func (s *service) restart(context.Context) error   { return errNoManager }
func (s *service) status(context.Context) error    { return errNoManager }
