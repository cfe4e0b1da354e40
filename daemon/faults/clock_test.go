//go:build linux && system

package faults

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/words"
)

// R2, R9: the wall clock is turned under a running daemon, and back. It
// refreshes where its token now looks due, once, and nowhere else; the history
// says what happened; with the clock back, what it answers is right again.
func TestClockJumps(t *testing.T) {
	for _, c := range []struct {
		what      string
		lifetime  time.Duration // of the tokens
		by        time.Duration
		refreshes int // due then
	}{
		{"by +1 h, past half of the token's life, and back", 100 * time.Minute, time.Hour, 1},
		{"by +1 h, past the token's end, and back", 45 * time.Minute, time.Hour, 1},
		{"by +1 h, a day before the token is due, and back", 50 * time.Hour, time.Hour, 0},
		{"by -1 h, and back", 100 * time.Minute, -time.Hour, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			s := newJumper(t, "the clock jumps "+c.what, idp.Config{Lifetime: c.lifetime})
			s.jump(c.by)
			s.Eventually("it is refreshed", func() bool { return s.IDP.Stats().Refreshes == c.refreshes })
			s.wantRequests(c.refreshes)
			s.jump(0)
			if early, late := s.off(); early > time.Minute || late > time.Minute {
				t.Errorf("clients are told an end that is %v too early or %v too late", early, late)
			}
			s.wantWell()
			s.wantRequests(c.refreshes + 1)
			table.Report(t, s.fault, "2 jumps", testkit.Count(c.refreshes, "refresh")+", as due; the history has both; 0 logins lost")
		})
	}
}

// Any number of jumps: no storm of refreshes, none of them lost, and at the end
// the right time.
func TestClockJumpsAtRandom(t *testing.T) {
	t.Parallel()
	s := newJumper(t, "the clock jumps at random, by 2 to 60 min each time", idp.Config{Lifetime: 40 * time.Minute})
	jumps, forward := testkit.Long(20, 200), 0
	var stand time.Duration
	for range jumps {
		by := 2*time.Minute + rand.N(58*time.Minute).Truncate(time.Second)
		if rand.N(2) == 0 {
			by = -by
		} else {
			forward++
		}
		stand += by
		s.jump(stand)
	}
	if stand < 0 {
		forward++
	}
	s.jump(0)
	refreshes := s.IDP.Stats().Refreshes
	if refreshes > forward {
		t.Errorf("%d refreshes for %d jumps ahead", refreshes, forward)
	}
	// A token that came when the clock was behind may seem to end too early.
	if _, late := s.off(); late > time.Minute {
		t.Errorf("clients are told an end that is %v too late", late)
	}
	s.wantWell()
	s.wantRequests(refreshes + 1)
	table.Report(t, s.fault, testkit.Count(jumps, "jump"), fmt.Sprintf("%s, at most one for each of %s ahead; 0 logins lost", testkit.Count(refreshes, "refresh"), testkit.Count(forward, "jump")))
}

// R2, F3: nobody asks and nothing rings; the look once a minute has to find out.
func TestClockJumpsUnasked(t *testing.T) {
	t.Parallel()
	s := newJumper(t, "the clock jumps by +1 h, and no client asks", idp.Config{Lifetime: 100 * time.Minute})
	s.clock.turn(time.Hour)
	if !testkit.Within(2*time.Minute, func() bool { return s.IDP.Stats().Refreshes == 1 }) {
		t.Error("the jump was not found out")
	}
	s.wantAlive()
	s.clock.turn(0)
	s.wantWell()
	table.Report(t, s.fault, "1 jump", "refreshed within the minute; 0 logins lost")
}

// R2: what a resume is to a daemon. The wall clock is an hour ahead of the
// monotonic one, which stood still, and the timer on CLOCK_BOOTTIME, which did
// not, has run out. No client asks. Where the clock was wrong before, the
// token's times are counted, and the hour counts too.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		what   string
		stand  time.Duration // before
		opaque bool          // the token has no times of its own
	}{{"", 0, false}, {", the clock 3 h ahead", 3 * time.Hour, false}, {", the clock 3 h behind", -3 * time.Hour, false}, {", an opaque token", 0, true}} {
		t.Run("resume"+c.what, func(t *testing.T) {
			t.Parallel()
			s := newJumper(t, "suspend and resume, as the daemon sees them"+c.what, idp.Config{Lifetime: 100 * time.Minute, Opaque: c.opaque})
			if c.stand != 0 {
				s.jump(c.stand)
				s.wantOwnToken()
			}
			before := s.IDP.Stats().Refreshes
			s.clock.turn(c.stand + time.Hour)
			s.ringUntil("the resume refreshes", func() bool { return s.IDP.Stats().Refreshes == before+1 })
			s.wantAlive()
			s.wantRequests(before + 1)
			s.clock.turn(0)
			s.wantWell()
			table.Report(t, s.fault, "1 hour", "refreshed at once, and once; 0 logins lost")
		})
	}
}

// R2, R7: the issuer wants half an hour of peace, and the machine sleeps an hour.
func TestResumeInAPause(t *testing.T) {
	t.Parallel()
	s := newJumper(t, "suspend and resume, while the issuer's Retry-After: 1800 runs", idp.Config{Lifetime: 100 * time.Minute})
	s.IDP.Inject(idp.TooMany("1800"))
	_, access := s.dueLogin()
	// Not when the issuer has been asked: the pause counts from when its answer is here.
	s.Eventually("the pause has begun", func() bool { return s.state().LastError != "" })
	s.ring(s.alarms)
	if now, err := s.get(); err != nil || now != access {
		t.Errorf("in the pause another token is served, or %v", err)
	}
	if n := s.IDP.Stats().Refreshes; n != 0 {
		t.Errorf("%d refreshes in the pause", n)
	}
	s.clock.turn(time.Hour)
	s.ringUntil("the resume refreshes", func() bool { return s.IDP.Stats().Refreshes == 1 })
	s.wantAlive()
	s.clock.turn(0)
	s.wantWell()
	table.Report(t, s.fault, "1 hour", "not asked before, refreshed at once then; 0 logins lost")
}

// jumper is a scene with a login that is as good as new, and a clock to turn.
type jumper struct {
	*scene
	fault  string
	clock  *wallClock
	alarms []*os.File
	stand  time.Duration
}

func newJumper(t *testing.T, fault string, cfg idp.Config) *jumper {
	t.Helper()
	table.NeedRoot(t, fault) // for the alarm
	s := newScene(t, cfg)
	j := &jumper{scene: s, fault: fault, clock: s.ownClock()}
	refresh, access, _ := s.IDP.Login("ann")
	s.write(refresh + "\n" + access)
	s.serve()
	s.wantAlive()
	j.alarms = s.bootAlarms()
	return j
}

// jump turns the clock, lets a crowd use the daemon, and waits until the
// schedule has seen the jump.
func (j *jumper) jump(to time.Duration) {
	j.Helper()
	by, noted := to-j.stand, j.noted()
	j.stand = to
	j.clock.turn(to)
	var crowd sync.WaitGroup
	for range 20 {
		crowd.Go(func() {
			var got protocol.Credential
			if err := j.Ask("get "+protocol.DefaultServer, &got); err != nil {
				j.Errorf("at %v: %v", to, err)
			} else if now := time.Now().Add(to); !got.Expires.After(now) {
				j.Errorf("at %v: a token is served that has run out, by the clock", to)
			}
		})
	}
	crowd.Wait()
	j.ringUntil("the history notes the jump", func() bool { return len(j.noted()) == len(noted)+1 })
	way := " ahead"
	if by < 0 {
		way = " back"
	}
	if last := j.noted()[len(noted)]; !strings.Contains(last, "it moved "+words.Span(by.Abs())+way) {
		j.Errorf("of a jump of %v the history says %q", by, last)
	}
	// The look that notes the jump also begins the refresh that it makes due: what
	// is counted next is counted when that is over.
	j.Eventually("nothing is due any more", func() bool { return j.state().NextRefresh.After(time.Now().Add(to)) })
	j.wantAlive()
}

// ringUntil waits for what a look brings about. A ring can be lost: a look that is
// just over sets the timer anew, and the next would come within the minute.
func (j *jumper) ringUntil(what string, ok func() bool) {
	j.Helper()
	j.Eventually(what, func() bool {
		j.ring(j.alarms)
		return ok()
	})
}

// wantOwnToken has the daemon hold a token that it was given with the clock as
// it stands.
func (j *jumper) wantOwnToken() {
	j.Helper()
	if j.stand < 0 { // ahead, it has seen to it by itself
		_, access, err := j.tokens()
		j.Must(err)
		j.Must(j.Ask(`get {"ServerURL":"`+protocol.DefaultServer+`","Rejected":"`+access+`"}`, &protocol.Credential{}))
	}
	j.Eventually("it has a token of its own", func() bool { return j.IDP.Stats().Refreshes == 1 })
	j.wantAlive()
}

// noted is what the history says about the clock.
func (j *jumper) noted() (causes []string) {
	j.Helper()
	list, err := events.Read(j.Home)
	j.Must(err)
	for _, event := range list {
		if event.Event == events.Clock {
			causes = append(causes, event.Cause)
		}
	}
	return causes
}

// wantRequests counts all that the issuer was asked for, after some more looks.
func (j *jumper) wantRequests(n int) {
	j.Helper()
	for range 10 {
		j.ring(j.alarms)
		j.wantAlive()
	}
	if got := j.IDP.Stats(); got.TokenRequests != n || got.Refreshes != n {
		j.Errorf("the issuer was asked %d times and refreshed %d times, want %d", got.TokenRequests, got.Refreshes, n)
	}
}

// off compares the end that clients are told with the token's own, when the
// clock is right. A refresh's way there and back is between the two.
func (j *jumper) off() (early, late time.Duration) {
	j.Helper()
	var got protocol.Credential
	j.Must(j.Ask("get "+protocol.DefaultServer, &got))
	_, body, _ := strings.Cut(string(got.Secret), ".")
	body, _, _ = strings.Cut(body, ".")
	data, err := base64.RawURLEncoding.DecodeString(body)
	j.Must(err)
	var claims struct{ Exp int64 }
	j.Must(json.Unmarshal(data, &claims))
	late = got.Expires.Sub(time.Unix(claims.Exp, 0))
	return -late, late
}
