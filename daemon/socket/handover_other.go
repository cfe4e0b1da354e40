//go:build !linux && !darwin

package socket

import (
	"errors"
	"os"
)

// Descriptors refuses: a pipe's listener is handed to nobody.
func (s *Socket) Descriptors() ([2]*os.File, error) { return [2]*os.File{}, errors.ErrUnsupported }

// Handed refuses, as Descriptors does.
func Handed([2]*os.File) (*Socket, error) { return nil, errors.ErrUnsupported }

// Own is for what Handed returns.
func (s *Socket) Own() error { return errors.ErrUnsupported }
