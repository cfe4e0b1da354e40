package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol/strict"
)

// falcred.env is read at the start only: what it decides (whose login this is, who is asked)
// does not change under a living one. What has become of it since is a warning (§3).

// maxOdd is how many odd lines status names: there is room for few warnings.
const maxOdd = 4

// warnOdd names what is odd in falcred.env.
func warnOdd(m *login.Manager, odd []string) {
	named := odd[:min(len(odd), maxOdd)]
	if more := len(odd) - len(named); more > 0 {
		m.Warn(fmt.Sprintf("%s has %d more odd lines\nsee all of them: falcred doctor", envfile.Name, more))
	}
	for _, text := range named {
		m.Warn(text)
	}
}

// asItIsNow is what the warning about falcred.env as it is now begins with.
const asItIsNow = envfile.Name + ", as it is now, "

// restartHint is what to do where the daemon goes by what no longer stands there.
const restartHint = "restart the daemon: falcred restart"

// lookPatience is how long a status waits for a look at falcred.env. A home on a file system
// that is dead takes longer, and the next status has what was found.
const lookPatience = 100 * time.Millisecond

// lookAtEnvFile compares falcred.env with what the daemon has read of it, for each status, until
// ctx ends. What it returns may be called by any goroutine.
func lookAtEnvFile(ctx context.Context, m *login.Manager, cfg Config) func() {
	return patiently(lookPatience, func() {
		if text, known := since(cfg.Home, cfg.EnvFile); known && ctx.Err() == nil {
			m.WarnInstead(asItIsNow, text)
		}
	})
}

// patiently is do, which is waited for so long at most, and is left to itself then: it may hang.
// It is done once at a time, however many want it.
func patiently(most time.Duration, do func()) func() {
	turn := make(chan struct{}, 1)
	return func() {
		enough := time.NewTimer(most)
		defer enough.Stop()
		select {
		case turn <- struct{}{}:
		case <-enough.C:
			return
		}
		done := make(chan struct{})
		go func() {
			do()
			<-turn
			close(done)
		}()
		select {
		case <-done:
		case <-enough.C:
		}
	}
}

// since says what is the matter with a home's falcred.env, of which the daemon has read those
// variables: "" where it says the same now. It is not known where the system fails, or where
// the home itself is refused, which others tell.
func since(home string, read map[string]string) (text string, known bool) {
	now, err := envfile.Read(home)
	mistake := new(Mistake)
	switch t := strict.As(err); {
	case t != nil && t.Path != filepath.Join(home, envfile.Name):
		return "", false
	case errors.As(asMistake(err), &mistake):
		what, hint, _ := strings.Cut(mistake.Error(), "\n")
		return "is refused, and no daemon would start with it: " + what + "\n" + hint, true
	case err != nil:
		return "", false
	case !maps.Equal(now.Values, read):
		return "has changed since the daemon started, which still uses what it read then\n" + restartHint, true
	}
	return "", true
}
