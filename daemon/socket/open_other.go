//go:build !linux && !darwin

package socket

import (
	"context"
	"io"

	"github.com/falcred/falcred/protocol/peer"
)

// Open refuses. On Windows the socket needs an ACL of its own and the
// peers' users have never been tried (S8); elsewhere peers cannot be known (S3).
func Open(context.Context, Options) (*Socket, error) { return nil, peer.ErrNotServed }

// OpenShared refuses, as Open does.
func OpenShared(string, []int) (*Socket, error) { return nil, peer.ErrNotServed }

// ClaimFollow refuses, as Open does.
func ClaimFollow(string) (io.Closer, error) { return nil, peer.ErrNotServed }
