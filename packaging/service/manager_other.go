//go:build !linux && !darwin && !windows

package service

import (
	"os/exec"

	"github.com/falcred/falcred/protocol/peer"
)

// There is nothing to start here: the daemon does not serve.

func (s *Service) manager() (manager, error) { return nil, peer.ErrNotServed }
func (s *Service) program() (string, error)  { return "", peer.ErrNotServed }
func (s *Service) asUser(*exec.Cmd) error    { return peer.ErrNotServed }
func (s *Service) session() []string         { return nil }
