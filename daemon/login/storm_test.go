//go:build (linux || darwin) && system

package login

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/testkit"
)

// 32 neighbours use the login again and again, all at once, while falcred refreshes
// it every second. It must never be falcred that loses it.
const (
	stormNeighbours = 32
	stormPace       = time.Second // of falcred's refreshes
	stormLook       = 20 * time.Millisecond
	// stormSeen is how many looks in a row must find a login lost: between a
	// neighbour's truncate and its write the file is nobody's.
	stormSeen = 3
	// stormGusts bounds how often a storm blows anew, on a machine that is too busy for
	// one to show anything.
	stormGusts = 15
)

// stormRow is one mixture of lifetimes and leniency.
type stormRow struct {
	what     string
	cfg      idp.Config
	peaceful bool // the neighbours need not refresh: nobody may lose the login
}

var stormRows = []stormRow{
	{what: "tokens live 24 h, no overlap", cfg: idp.Config{Lifetime: 24 * time.Hour}, peaceful: true},
	// Below the margins of both (DESIGN §2): every use is a refresh.
	{what: "tokens live 4 min, overlap 10 s", cfg: idp.Config{Lifetime: 4 * time.Minute, Overlap: 10 * time.Second}},
	{what: "tokens live 4 min, no overlap", cfg: idp.Config{Lifetime: 4 * time.Minute}},
}

// stormLasts: together some 20 s in CI, minutes with FALCRED_LONG=1.
func stormLasts() time.Duration {
	if os.Getenv("FALCRED_LONG") != "" {
		return 2 * time.Minute
	}
	return 7 * time.Second
}

func TestStormOfScripts(t *testing.T) {
	for _, row := range stormRows {
		t.Run(row.what, func(t *testing.T) { row.run(t, "as scripts", "") })
	}
}

// With FAL_CLIENT_DIR, fal_client is the SDK's own source.
func TestStormOfTheSDK(t *testing.T) {
	source := sdkSource(t)
	for _, row := range stormRows {
		t.Run(row.what, func(t *testing.T) {
			if source == "" {
				report(t, "neighbours", row.title("the SDK's own source"), "*not run*: FAL_CLIENT_DIR names no source")
				return
			}
			row.run(t, "the SDK's own source", source)
		})
	}
}

// sdkSource finds fal_client's auth.py in the folder that FAL_CLIENT_DIR names.
func sdkSource(t *testing.T) string {
	dir := os.Getenv("FAL_CLIENT_DIR")
	if dir == "" {
		return ""
	}
	for _, below := range []string{"", "fal_client", "src/fal_client", "projects/fal_client/src/fal_client"} {
		path := filepath.Join(dir, below, "auth.py")
		if data, err := os.ReadFile(path); err == nil && strings.Contains(string(data), "_load_bearer_token_from_login") {
			return path
		}
	}
	t.Fatalf("FAL_CLIENT_DIR is %s, and fal_client's auth.py is not in it", dir)
	return ""
}

func (row stormRow) title(how string) string {
	return fmt.Sprintf("%d fal CLIs as scripts and %d fal_clients (%s) for %v, falcred refreshes every %v; %s",
		stormNeighbours/2, stormNeighbours/2, how, stormLasts(), stormPace, row.what)
}

func (row stormRow) run(t *testing.T, how, source string) {
	w, issuer := besideNeighbours(t, row.cfg)
	s := &storm{world: w, journal: filepath.Join(t.TempDir(), "journal"), lost: map[string]int{}, ends: map[string]int{}}
	for i := range stormNeighbours {
		kind := []string{"fal-cli", "fal_client"}[i%2]
		s.start(issuer, fmt.Sprintf("%s/%d", kind, i), source)
	}
	s.until("all neighbours are up", s.allUp)
	ctx, cancel := context.WithCancel(t.Context())
	var threads sync.WaitGroup
	threads.Go(func() { s.refreshEverySecond(ctx) })
	threads.Go(func() { s.ask(ctx) })
	s.since = time.Now()
	for s.gusts < stormGusts && !s.enough() {
		s.blow(stormLasts())
	}
	cancel()
	threads.Wait()
	s.end()
	s.judge(row)
	report(t, "neighbours", row.title(how), s.outcome())
}

// storm is a world with its neighbours and what became of them.
type storm struct {
	*world
	journal    string
	neighbours []*stormNeighbour

	requests []idp.Request // all of them: the issuer's record is bounded
	since    time.Time     // of the present login
	ill      int           // looks in a row that found it lost
	pending  []idp.Request // reuses that are not judged yet
	reused   bool          // the present login was ended by a reuse
	revoked  int           // revocations before the present login
	lost     map[string]int
	reasons  []string
	ends     map[string]int // how the neighbours' uses ended
	uses     int
	gusts    int

	asked, answered, wrong int
}

// stormNeighbour is one such process.
type stormNeighbour struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out chan string
	err *testkit.LogBuffer
	up  bool
}

func (s *storm) start(issuer, name, source string) {
	s.Helper()
	n := &stormNeighbour{out: make(chan string, 4), err: &testkit.LogBuffer{}}
	n.cmd = exec.Command(testkit.DebianPython, "-c", stormScript, s.home, issuer, s.journal, name, source)
	n.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.home} // no proxy, and nobody's key
	n.cmd.Stderr = n.err
	in, err := n.cmd.StdinPipe()
	if err != nil {
		s.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		s.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		s.Fatal(err)
	}
	n.in = in
	go func() {
		defer close(n.out)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			n.out <- lines.Text()
		}
	}()
	s.neighbours = append(s.neighbours, n)
	s.Cleanup(func() {
		in.Close()
		n.cmd.Process.Kill()
		n.cmd.Wait()
	})
}

func (s *storm) allUp() bool {
	for _, n := range s.neighbours {
		if n.up {
			continue
		}
		select {
		case line := <-n.out:
			if n.up = line == "ready"; !n.up {
				s.Fatalf("a neighbour did not start: %q\n%s", line, n.err)
			}
		default:
			return false
		}
	}
	return true
}

// blow lets the neighbours go for that long, and sees the login through it.
func (s *storm) blow(d time.Duration) {
	s.gusts++
	for _, n := range s.neighbours {
		fmt.Fprintln(n.in, d.Seconds())
	}
	tick := time.NewTicker(stormLook)
	defer tick.Stop()
	// Past its time, a neighbour may wait 20 s for the lock, and then some.
	deadline := time.After(d + 90*time.Second)
	for running := s.neighbours; len(running) > 0; {
		select {
		case <-tick.C:
			s.look()
		case <-deadline:
			s.Fatalf("neighbours do not end\n%s", s.log)
		case line, open := <-running[0].out:
			s.ended(running[0], line, open)
			running = running[1:]
		}
	}
}

func (s *storm) ended(n *stormNeighbour, line string, open bool) {
	var ends map[string]int
	if !open || json.Unmarshal([]byte(line), &ends) != nil {
		s.Fatalf("a neighbour died: %q\n%s", line, n.err)
	}
	for how, times := range ends {
		s.ends[how] += times
		s.uses += times
	}
	if ends["crashed"] > 0 {
		s.Errorf("a neighbour crashed, for no reason that DESIGN knows:\n%.2000s", n.err)
	}
}

// refreshEverySecond has falcred replace whatever token it holds.
func (s *storm) refreshEverySecond(ctx context.Context) {
	tick := time.NewTicker(stormPace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.refreshNow()
		}
	}
}

func (s *storm) refreshNow() {
	s.mu.Lock()
	state := &s.Manager.state
	if !state.held() || state.Phase == Missing || state.over() || !state.mayTry(clock.Now()) {
		s.mu.Unlock()
		return // what the daemon's own schedule would not send either
	}
	c := start(s.Manager, state.Tokens.Access)
	s.mu.Unlock()
	<-c.done
}

// ask is a client of falcred: every bearer that it is given must be good.
func (s *storm) ask(ctx context.Context) {
	tick := time.NewTicker(stormLook)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.asked++
		c, err := s.get()
		switch {
		case err != nil:
		case s.accepts(string(c.Secret)):
			s.answered++
		default:
			s.wrong++
		}
	}
}
