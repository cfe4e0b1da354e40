package service

import (
	"os"
	"os/exec"
)

func (s *Service) manager() (manager, error) { return desktop{s}, nil }

// program is what the entry runs.
func (s *Service) program() (string, error) { return stableSelf() }

// asUser changes nothing: there are no services for others here.
func (s *Service) asUser(*exec.Cmd) error { return nil }

// session is what a login gives a program, about: nothing of falcred's, and no key.
func (s *Service) session() []string { return sessionOnly(os.Environ()) }
