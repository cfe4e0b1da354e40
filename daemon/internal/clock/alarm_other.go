//go:build !linux

package clock

func boot() (*Alarm, bool) { return nil, false }
