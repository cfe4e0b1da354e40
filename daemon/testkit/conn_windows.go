package testkit

import "github.com/falcred/falcred/protocol/local"

// Conn is one end of a connection.
type Conn = local.Conn

// Listener is a daemon's, or of something that stands for one.
type Listener = local.Listener

// Dial connects to a daemon.
func Dial(socket string) (*Conn, error) { return local.Dial(socket) }

// Listen is for what stands for a daemon. Closing it leaves what it has at the path, as a
// daemon does that is killed.
func Listen(socket string) (*Listener, error) { return local.Listen(socket) }
