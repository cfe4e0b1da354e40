package server

import (
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/protocol"
)

// R9: a token that is served after the end that the issuer has named (our clock is ahead of
// its, and it cannot be reached) is looked at with pauses that grow; one that has still to run
// out, within the second.
func TestAWatchDoesNotSpinAtATokensEnd_R9(t *testing.T) {
	for _, tt := range []struct{ left, over, pause, next time.Duration }{
		{time.Hour, 0, time.Hour, 0},
		{time.Hour, time.Minute, time.Hour, 0}, // a new token
		{time.Nanosecond, 0, 50 * time.Millisecond, 0},
		{0, 0, time.Second, time.Second},
		{-time.Second, time.Second, 2 * time.Second, 2 * time.Second},
		{-time.Hour, 40 * time.Second, time.Minute, time.Minute},
		{-100 * 365 * 24 * time.Hour, time.Minute, time.Minute, time.Minute}, // what a peer says is no number of ours
	} {
		if pause, next := untilLook(tt.left, tt.over); pause != tt.pause || next != tt.next {
			t.Errorf("%+v: %v, %v", tt, pause, next)
		}
	}
	looks, over := 0, time.Duration(0)
	for left := 100 * time.Millisecond; left > -time.Hour; looks++ {
		var pause time.Duration
		pause, over = untilLook(left, over)
		left -= pause
	}
	if looks > 70 {
		t.Errorf("%d looks in the hour after the end", looks)
	}
}

// §4: a watch for a team that is not known wants it again, since nobody else does; one without an answer
// waits for a change.
func TestAWatchForATeamLooksAgain_Section4(t *testing.T) {
	for _, tt := range []struct {
		q       protocol.Query
		expires time.Time
		want    time.Duration
	}{
		{protocol.Query{Team: new("acme")}, time.Time{}, time.Minute},
		{protocol.Query{}, time.Time{}, task.Forever},
		{protocol.Query{Team: new("acme")}, time.Now().Add(-time.Second), time.Second},
	} {
		if pause, _ := nextLook(tt.q, tt.expires, 0); pause != tt.want {
			t.Errorf("%v, want %v", pause, tt.want)
		}
	}
}
