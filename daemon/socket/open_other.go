//go:build !linux && !darwin

package socket

import (
	"context"
	"io"

	"github.com/falcred/falcred/protocol/peer"
)

// Open returns [peer.ErrNotServed]. On Windows the socket needs an ACL of its own, and
// asking for a peer's user has never been tried; elsewhere peers cannot be known.
func Open(context.Context, Options) (*Socket, error) { return nil, peer.ErrNotServed }

// Inherited is nil: there is no service manager here that makes sockets.
func Inherited() (*Socket, error) { return nil, nil }

// OpenShared refuses, as Open does.
func OpenShared(string, []int) (*Socket, error) { return nil, peer.ErrNotServed }

// ClaimFollow refuses, as Open does.
func ClaimFollow(string) (io.Closer, error) { return nil, peer.ErrNotServed }
