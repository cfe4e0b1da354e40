//go:build linux || darwin

package login

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

// F3, S5: a home that is moved, deleted and made anew again and again. fsnotify
// 1.10.1 tells of that as an error, which it sends while it holds the lock that
// Add and WatchList want: a reader of its channels that called those stood still
// for good.
//
// What the schedule does is slowed down by mu, which it wants at each event, so that
// the time to read the file comes while an error waits for it.
func TestF3HomeMovedAndDeleted(t *testing.T) {
	home, other := filepath.Join(t.TempDir(), "home"), filepath.Join(t.TempDir(), ".fal")
	mustMake(t, home)
	mustMake(t, other)
	issuer, m := opened(t, home, idp.Config{Lifetime: 2 * time.Hour}, func(cfg *Config) {
		cfg.REST = cfg.Issuer // the team is looked for at each event, under mu
		cfg.FalConfig = fal.Config{Path: filepath.Join(other, "config.toml")}
	})
	ended, ready := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		m.Run(ready)
	}()
	<-ready
	// seen wants a login that is written now to be noticed long before the next look at
	// the file.
	seen := func() {
		t.Helper()
		refresh, access, _ := issuer.Login("ann")
		mustWriteTokens(t, home, refresh, access)
		testkit.Eventually(t, "the login in the file is noticed", func() bool {
			return m.Snapshot().State.Tokens.Access == access
		})
	}
	const rounds, steps = 20, 6
	for range rounds {
		seen()
		m.mu.Lock()
		os.Remove(filepath.Join(home, env.TokenFile))
		moveAndDelete(t, home)
		moveAndDelete(t, other)
		for range steps { // who has waited so long for mu is given it, and then we are again
			<-time.After(debounce + 2*time.Millisecond)
			m.mu.Unlock()
			m.mu.Lock()
		}
		m.mu.Unlock()
	}
	seen()
	m.end()
	select {
	case <-ended:
	case <-time.After(testkit.Patience):
		t.Fatal("the schedule does not end")
	}
}

// openedManager is a login outside of a bubble, and its end.
type openedManager struct {
	*Manager
	end context.CancelFunc
}

// opened is a login at a real issuer, which no schedule looks after yet.
func opened(t testing.TB, home string, cfg idp.Config, change func(*Config)) (*idp.Server, openedManager) {
	t.Helper()
	issuer := testkit.StartIssuer(t, cfg)
	config := Config{Home: home, Issuer: issuer.URL, ClientID: "test-client", Servers: testkit.FalServers()}
	if change != nil {
		change(&config)
	}
	ctx, end := context.WithCancel(context.Background())
	m, err := Open(ctx, config, slog.New(slog.DiscardHandler))
	if err != nil {
		end()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		end()
		m.Close()
	})
	return issuer, openedManager{m, end}
}

// moveAndDelete has a folder vanish in two steps, and come back at once.
func moveAndDelete(t *testing.T, folder string) {
	t.Helper()
	away := folder + ".away"
	if err := os.Rename(folder, away); err != nil {
		t.Fatal(err)
	}
	os.RemoveAll(away)
	mustMake(t, folder)
}

func mustMake(t *testing.T, folder string) {
	t.Helper()
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
}

func mustWriteTokens(t testing.TB, home, refresh, access string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, env.TokenFile), []byte(refresh+"\n"+access), 0o600); err != nil {
		t.Fatal(err)
	}
}
