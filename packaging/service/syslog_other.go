//go:build windows || plan9

package service

import "errors"

// SystemLog is for systems that have a syslog.
func SystemLog() (Log, error) { return Log{}, errors.ErrUnsupported }
