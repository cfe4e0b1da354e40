//go:build !linux

package daemon

import "time"

// alarm exists on Linux only; elsewhere a resume is noticed within a minute.
type alarm struct{}

func newAlarm(func()) *alarm     { return nil }
func (*alarm) set(time.Duration) {}
func (*alarm) close()            {}
