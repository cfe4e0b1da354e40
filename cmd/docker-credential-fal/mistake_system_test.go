//go:build system && linux

package main_test

import (
	"net"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// S11: 30 s, and then it is over: silent clients do not hold it.
func TestS11IsToldFor30Seconds(t *testing.T) {
	t.Parallel()
	s := newStage(t, idp.Config{})
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.Sock, Net: "unix"})
	s.Must(err)
	defer listener.Close()
	held, err := listener.File()
	s.Must(err)
	defer held.Close()
	s.More = append(s.More, "FALCRED_ISSUER=http://issuer.example.com")
	begun := time.Now()
	daemon := s.activate(held)
	c := s.Dial()
	testkit.WantText(t, c.WantCode("get https://fal.run", "internal").Message, "falcred cannot start: FALCRED_ISSUER must be https")
	daemon.Wait()
	if took := time.Since(begun); took < 29*time.Second || took > 35*time.Second {
		t.Errorf("it ends after %v", took)
	}
	if got := daemon.ProcessState.ExitCode(); got != 78 {
		t.Errorf("it ends with %d", got)
	}
}
