//go:build !linux && !darwin && !windows

package socket

import (
	"context"
	"io"
	"net"

	"github.com/falcred/falcred/protocol/peer"
)

// Conn is the daemon's end of a connection.
type Conn = net.UnixConn

// Listener takes connections.
type Listener = net.UnixListener

// Open returns [peer.ErrNotServed].
func Open(context.Context, Options) (*Socket, error) { return nil, peer.ErrNotServed }

// Inherited is nil: there is no service manager here that makes sockets.
func Inherited() (*Socket, error) { return nil, nil }

// OpenShared refuses, as Open does.
func OpenShared(string, []int) (*Socket, error) { return nil, peer.ErrNotServed }

// ClaimFollow refuses, as Open does.
func ClaimFollow(string) (io.Closer, error) { return nil, peer.ErrNotServed }

type bound = *Listener

func (s *Socket) ours() (bool, error) { return false, peer.ErrNotServed }

// PeerPID is not found out here, where nothing is served either.
func PeerPID(*Conn) int { return 0 }
