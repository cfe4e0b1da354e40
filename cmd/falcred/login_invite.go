package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/protocol"
)

// maxQR is the longest address that is shown as a code: a larger one fits no
// screen.
const maxQR = 1000

// invite shows where to confirm, to a person or to a script. The code to compare
// comes last: on a small screen a QR code scrolls the rest away.
func (l *loginRun) invite(s *issuer.DeviceLogin) {
	address, code := protocol.Printable(s.URL), protocol.Printable(s.UserCode)
	if len(s.URL) <= maxQR && (l.qr == "always" || l.qr == "auto" && l.Live && l.QRFits(s.URL, l.rowsOf(address)+4)) {
		l.QR(s.URL)
	}
	if !l.Live {
		fmt.Fprintf(l.Out, "verification_uri: %s\nverification_uri_complete: %s\nuser_code: %s\n", protocol.Printable(s.PlainURL), address, code)
		if !s.Expires.IsZero() {
			fmt.Fprintf(l.Out, "expires: %s\n", s.Expires.UTC().Format(time.RFC3339))
		}
	} else {
		fmt.Fprintf(l.Out, "Open this address, here or on another machine:\n   %s\nand check that it shows the code %s\n\n", address, l.Bold(code))
	}
	l.open(s.URL)
}

// rowsOf is how many rows of the terminal an indented address takes: the terminal wraps it, since
// one with line ends in it cannot be copied.
func (l *loginRun) rowsOf(address string) int {
	columns, _ := l.Size()
	return (len("   "+address)-1)/max(columns, 1) + 1
}

// wait says what keeps the issuer's answer from us, if anything does: it may pass.
func (l *loginRun) wait(ctx context.Context, s *issuer.DeviceLogin) (granted *issuer.PendingLogin, err error) {
	if !l.Live {
		return s.Wait(ctx, func(problem string) {
			line := "the issuer answers again"
			if problem != "" {
				line = problem + "; trying again until the code runs out"
			}
			fmt.Fprintln(l.errs, "falcred: "+line)
		})
	}
	var now atomic.Value
	now.Store("")
	err = l.During(func() string {
		text := "waiting for your confirmation" + remaining(s.Expires, time.Now())
		if problem := now.Load().(string); problem != "" {
			text += "; " + problem + "; trying again"
		}
		return text
	}, func() error {
		granted, err = s.Wait(ctx, func(problem string) { now.Store(problem) })
		return err
	})
	return granted, err
}

func remaining(until, now time.Time) string {
	if until.IsZero() {
		return ""
	}
	left := max(0, until.Sub(now).Round(time.Second))
	return fmt.Sprintf("; the code is good for %d:%02d", int(left.Minutes()), int(left.Seconds())%60)
}
