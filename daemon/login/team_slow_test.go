package login

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// slowREST takes its time for the teams, and for nothing else.
type slowREST struct {
	http.RoundTripper
	mu    sync.Mutex
	takes time.Duration
	asked []string
}

func (s *slowREST) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != "/users/teams" {
		return s.RoundTripper.RoundTrip(r)
	}
	s.mu.Lock()
	takes := s.takes
	s.asked = append(s.asked, r.URL.Host)
	s.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return s.RoundTripper.RoundTrip(r)
}

func (s *slowREST) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *slowREST) times() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

// startWith is start with a REST host that may be slow, and further changes of the settings.
func (w *world) startWith(change func(cfg *Config)) *slowREST {
	w.Helper()
	cfg := w.config()
	rest := &slowREST{RoundTripper: cfg.Transport}
	cfg.Transport = rest
	change(&cfg)
	ctx, cancel := context.WithCancel(context.Background())
	m, err := Open(ctx, cfg, slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		w.Fatal(err)
	}
	w.Manager, w.stop = m, cancel
	w.run()
	return rest
}

// §4: the REST host may take 30 s, as at the CLI, and nobody waits for that: a get 5 s of it
// at most, and one that comes later not at all. A refresh and what is logged go on.
func TestASlowTeamDelaysNobody_Section4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.signIn("ann")
		rest := w.startWith(func(*Config) {})
		w.mustGet()
		rest.set(func() { rest.takes = 25 * time.Second })
		w.names("acme")
		readTeam(w.Manager)
		w.settle()
		begun := time.Now()
		w.wantCode(protocol.CodeTeamUnresolved)
		if took := elapsed(begun); took != httpx.SideTimeout {
			t.Errorf("a get waited %v", took)
		}
		w.wantCode(protocol.CodeTeamUnresolved)
		if took := elapsed(begun); took != httpx.SideTimeout {
			t.Errorf("the next get waited too, until %v", took)
		}
		before := w.idp.Stats().Refreshes
		w.refresh(w.state().Tokens.Access)
		w.Warn("something else")
		w.settle()
		if w.idp.Stats().Refreshes != before+1 || !strings.Contains(w.log.String(), "something else") || time.Since(begun) > 10*time.Second {
			t.Errorf("a refresh or the log stood behind it, until %v\n%s", time.Since(begun), w.log)
		}
		w.pass(21 * time.Second)
		w.wantTeam("team_acme")
		if n := rest.times(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})
}

// §4: a question whose answer is for nobody any more does not keep the next one waiting.
func TestAnotherTeamIsAskedForAtOnce_Section4(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		w.names("acme")
		w.signIn("ann")
		rest := w.startWith(func(cfg *Config) { cfg.Transport.(*slowREST).takes = 25 * time.Second })
		w.pass(time.Second)
		if rest.times() != 1 {
			t.Fatal("nothing was asked")
		}
		rest.set(func() { rest.takes = 0 })
		w.names("other")
		readTeam(w.Manager)
		w.settle()
		if n := rest.times(); n != 2 {
			t.Fatalf("asked %d times", n)
		}
		w.wantTeam("team_other")
	})
}

// R13: the fal config's host is asked where nobody else can write that file, as it is by now;
// else nobody is, and what to do is said.
func TestTheProfilesHostIsAsked_R13(t *testing.T) {
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour, Teams: acme}, func(w *world) {
		path := filepath.Join(w.home, "config.toml")
		config := func(host string, mode os.FileMode) {
			text := fmt.Sprintf("[__internal__]\nteam = \"acme\"\nprofile = \"work\"\n[work]\nhost = %q\n", host)
			testkit.Must(t, testkit.WriteFile(path, text))
			testkit.Must(t, disk.Chmod(path, mode))
		}
		config("http://127.0.0.1:7777", 0o666)
		w.signIn("ann")
		rest := w.startWith(func(cfg *Config) { cfg.REST = fal.StandardREST })
		w.pass(time.Minute)
		w.wantCode(protocol.CodeTeamUnresolved)
		status := w.Snapshot().Status()
		if rest.times() != 0 || !strings.Contains(status.LastError, "can be written by others") || status.Hint != strict.Withdraw("go", path) {
			t.Fatalf("asked %q; %q, %q", rest.asked, status.LastError, status.Hint)
		}
		config(testIssuer, 0o600)
		w.pass(2 * time.Minute)
		w.wantTeam("team_acme")
		if rest.times() != 1 || "http://"+rest.asked[0] != testIssuer {
			t.Errorf("asked %q", rest.asked)
		}
	})
}
