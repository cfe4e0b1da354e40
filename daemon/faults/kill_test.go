//go:build linux && system

package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// overlap is how long the kind issuer accepts the previous token.
const overlap = 5 * time.Second

// R4, S5: kill -9 at random points of a refresh. An issuer that grants an
// overlap loses no login.
func TestKillAtRandomPoints(t *testing.T) {
	s := newScene(t, idp.Config{Overlap: overlap})
	k := newKiller(s)
	kills := testkit.Long(150, 1000)
	for range kills {
		k.round()
		if err := s.settle(testkit.Patience); err != nil {
			t.Fatalf("a login was lost: %v", err)
		}
	}
	s.wantWell()
	if k.hit < kills/3 {
		t.Errorf("only %d of %d kills fell into a refresh: nothing is tested", k.hit, kills)
	}
	table.Report(t, "kill -9 at a random point of a refresh, 5 s overlap",
		testkit.Count(kills, "kill")+", "+testkit.Count(k.hit, "")+" before the refresh had ended",
		"0 logins lost, "+testkit.Count(k.committed, "kill")+" after the issuer's commit; at most "+testkit.Count(k.piled, "temporary file")+" at once, 0 at the end")
}

// R4, S5: without an overlap a login is lost only by a kill between the
// issuer's commit and our write of its answer. Whether this was one is read
// from the issuer's record and from what the disk holds after the kill.
func TestKillAtRandomPointsWithoutOverlap(t *testing.T) {
	s := newScene(t, idp.Config{})
	k := newKiller(s)
	kills, lost, settled := testkit.Long(150, 1000), 0, 0
	for range kills {
		k.round()
		doomed := k.verdict == cutOff
		err := s.settleOrEnd()
		switch {
		case err != nil && !doomed:
			t.Fatalf("a login was lost although the kill spared its answer (%s): %v", k.verdict, err)
		case err != nil:
			lost++
			k.again()
		case k.verdict == onDisk:
			settled++
		}
	}
	s.wantWell()
	table.Report(t, "the same, no overlap", testkit.Count(kills, "kill"),
		testkit.Count(lost, "login")+" lost, each by a kill between the issuer's commit and our write; "+testkit.Count(settled, "")+" settled from the disk")
}

// settleOrEnd waits for a living login, or for the daemon's word that it ended.
func (s *scene) settleOrEnd() error {
	var err error
	s.Eventually("the daemon settles what it found", func() bool {
		if err = s.alive(); err == nil {
			return true
		}
		return s.state().State == "login_required"
	})
	return err
}

// The verdicts on one kill.
const (
	unsent = "nothing was spent"
	cutOff = "the issuer had committed and nothing of its answer was on disk"
	onDisk = "the answer was on disk"
	landed = "the refresh had ended"
)

// killer starts a refresh by writing an expired login, and kills the daemon
// after a random part of the time that a refresh takes.
type killer struct {
	*scene
	span      time.Duration // from the write to the new token in the file
	verdict   string        // on the last kill
	hit       int           // kills before the refresh had ended
	committed int           // kills after the commit and before the end
	piled     int           // the most temporary files seen
}

func newKiller(s *scene) *killer {
	s.Helper()
	k := &killer{scene: s}
	s.newLogin()
	s.serve()
	s.wantAlive()
	var spans []time.Duration
	for range 7 {
		spans = append(spans, k.measure())
	}
	slices.Sort(spans)
	k.span = spans[len(spans)/2]
	return k
}

// measure times one refresh that nothing disturbs.
func (k *killer) measure() time.Duration {
	k.Helper()
	before, _, err := k.tokens()
	if err != nil {
		k.Fatal(err)
	}
	k.login(before)
	begun := time.Now()
	k.Eventually("the refresh ends", func() bool {
		refresh, _, err := k.tokens()
		return err == nil && refresh != before
	})
	span := time.Since(begun)
	k.wantAlive()
	return span
}

// round kills one refresh and starts the daemon again.
func (k *killer) round() {
	k.Helper()
	before, _, err := k.tokens()
	if err != nil {
		k.Fatal(err)
	}
	k.login(before)
	// The debounce of the watcher and a little more: what comes before the
	// refresh is not worth many kills, what comes after its rename is worth some.
	const early = 8 * time.Millisecond
	pause := early + rand.N(k.span-min(early, k.span/2)+k.span/4)
	time.Sleep(pause) // the moment is what is random here; nothing waits for it
	k.kill()
	k.judge(before)
	k.piled = max(k.piled, len(k.leftovers()))
	// The machine's pace changes under a long test: two kills in three are to
	// fall into a refresh.
	if k.verdict == landed {
		k.span -= k.span / 8
	} else {
		k.span += k.span / 16
	}
	k.serve()
}

// judge says where the kill fell. The issuer may still be at work for the
// dead daemon: its record is read when the answer is known.
func (k *killer) judge(before string) {
	k.Helper()
	now, _, err := k.tokens()
	if err != nil {
		k.Fatal("after a kill the token file is broken: ", err)
	}
	sealed := k.sealed()
	rotated := k.decided(before) == "rotated"
	switch {
	case now != before:
		k.verdict = landed
		return
	case sealed:
		k.verdict = onDisk
	case rotated:
		k.verdict = cutOff
	default:
		k.verdict = unsent
	}
	k.hit++
	if rotated {
		k.committed++
	}
}

// decided is what the issuer has made of a refresh token that has reached it,
// when it is done with all that the dead daemon has sent.
func (k *killer) decided(refresh string) (outcome string) {
	k.Helper()
	k.Eventually("the issuer is done with the dead daemon", func() bool { return !k.orphaned() })
	sum := sha256.Sum256([]byte(refresh))
	hash := hex.EncodeToString(sum[:])
	for _, r := range k.IDP.Requests() {
		if r.RefreshHash == hash {
			outcome = r.Outcome
		}
	}
	return outcome
}

// orphaned says whether the issuer holds a connection whose client is gone: the
// kernel has closed the client's end, and waits for the issuer to close its own
// (RFC 9293: FIN-WAIT-1 and FIN-WAIT-2), even of one that was not accepted yet.
func (k *killer) orphaned() bool {
	k.Helper()
	at, err := url.Parse(k.IDP.URL)
	k.Must(err)
	port, err := strconv.Atoi(at.Port())
	k.Must(err)
	table, err := os.ReadFile("/proc/net/tcp")
	k.Must(err)
	for line := range strings.Lines(string(table)) {
		// proc_net_tcp: sl local_address rem_address st …
		if f := strings.Fields(line); strings.HasSuffix(f[2], fmt.Sprintf(":%04X", port)) && (f[3] == "04" || f[3] == "05") {
			return true
		}
	}
	return false
}

// again logs in anew after a loss.
func (k *killer) again() {
	k.Helper()
	k.newLogin()
	k.wantAlive()
}
