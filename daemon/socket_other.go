//go:build !linux && !darwin

package daemon

import (
	"context"
	"io"

	"github.com/falcred/falcred/protocol/peer"
)

// openSocket refuses. On Windows the socket needs an ACL of its own and the
// peers' users have never been tried (S8); elsewhere peers cannot be known (S3).
func openSocket(context.Context, Config) (*socket, error) { return nil, peer.ErrNotServed }

func openShare(Config) (*socket, error) { return nil, peer.ErrNotServed }

func claimFollow(string) (io.Closer, error) { return nil, peer.ErrNotServed }

// onNetwork is not found out here.
func onNetwork(string) bool { return false }
