//go:build !linux && !darwin

package daemon

import (
	"context"
	"errors"
	"io"
)

// openSocket refuses. On Windows the socket needs an ACL of its own and the
// peers' users have never been tried (S8); elsewhere peers cannot be known (S3).
func openSocket(context.Context, Config) (*socket, error) {
	return nil, errors.New("falcred does not serve on this system yet: its clients' users cannot be known for certain")
}

func openShare(Config) (*socket, error) { return nil, errors.ErrUnsupported }

func claimFollow(string) (io.Closer, error) { return nil, errors.ErrUnsupported }

// onNetwork is not found out here.
func onNetwork(string) bool { return false }
