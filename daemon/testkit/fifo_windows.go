package testkit

import "errors"

// Mkfifo fails: there are none.
func Mkfifo(string) error { return errors.ErrUnsupported }
