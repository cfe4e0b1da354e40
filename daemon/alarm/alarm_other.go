//go:build !linux

package alarm

func boot() (*Alarm, bool) { return nil, false }
