//go:build !windows && !plan9

package service

import "log/syslog"

// SystemLog is where a service's lines go whose manager keeps none: syslog, as a daemon.
// (kardianos's own logger names no facility, and what names none is the kernel's.)
func SystemLog() (Log, error) {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "falcred")
	if err != nil {
		return Log{}, err
	}
	return Log{w.Info, w.Warning, w.Err}, nil
}
