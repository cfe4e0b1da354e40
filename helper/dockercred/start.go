package dockercred

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// readiness is how long a daemon that was just started may take to answer. It
// needs no network for that (R11), so more would only hide that it cannot start.
const readiness = 2 * time.Second

// mistakeStatus is how a daemon ends that no further start helps (EX_CONFIG of sysexits.h).
const mistakeStatus = 78

var (
	errNotReady = protocol.Errorf(protocol.CodeUnavailable,
		"falcred was started but does not answer\nsee why: falcred run")
	errMistake = protocol.Errorf(protocol.CodeInternal,
		"falcred was started but its configuration has to be corrected first\nsee what: falcred run")
	errNoDaemon = protocol.Errorf(protocol.CodeUnavailable,
		"falcred is not running, and is neither beside "+name+" nor on PATH\ninstall falcred in a folder of PATH, or start it yourself: falcred run")
)

// Start has a daemon answer for the home that lookup names, as a request has that finds none: one
// that runs is left alone. Whether there is a login for it is not asked.
func Start(ctx context.Context, lookup func(string) (string, bool)) error {
	r := newRun(nil, io.Discard, io.Discard, lookup)
	defer r.client.Close()
	ctx, cancel := context.WithTimeoutCause(ctx, homePatience, errHangs)
	defer cancel()
	home, err := env.Home(lookup)
	if err == nil {
		err = r.client.Connect(ctx)
	}
	if err != helper.ErrNotRunning {
		return err
	}
	return r.start(ctx, home)
}

// await tries to connect until a daemon answers, and once more at the end. ended, which may be
// nil, says how the daemon which was started has gone.
func (r *run) await(ctx context.Context, ended <-chan error) error {
	const lastLook = 100 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, readiness+lastLook, errNotReady)
	defer cancel()
	begun, late := time.Now(), time.After(readiness)
	var failed error
	for {
		if err := r.client.Connect(ctx); err != helper.ErrNotRunning {
			return err
		}
		if failed != nil {
			return failed
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case failed = <-ended: // or it made way for another one that is there by now
		case <-late:
			failed = errNotReady
		case <-time.After(interval(time.Since(begun))):
		}
	}
}

// interval grows with the wait: a daemon is there within some milliseconds, mostly, and
// fifty helpers that go on asking so often take the machine from one that is not.
func interval(waited time.Duration) time.Duration {
	return min(max(waited/4, 2*time.Millisecond), 100*time.Millisecond)
}

// findDaemon looks beside this program first: the two belong together. Who may
// change what is on PATH is its owner's affair (Homebrew's folders are often one
// user's, or a group's), but not everybody may.
func findDaemon(path string) (string, error) {
	file := "falcred"
	if runtime.GOOS == "windows" {
		file += ".exe"
	}
	var failed error = errNoDaemon
	var folders []string
	if self, err := os.Executable(); err == nil {
		folders = append(folders, filepath.Dir(self))
		if real, err := filepath.EvalSymlinks(self); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	for _, dir := range append(folders, filepath.SplitList(path)...) {
		if !filepath.IsAbs(dir) {
			continue // what lies in the working folder is not to be run
		}
		candidate := filepath.Join(dir, file)
		info, err := os.Stat(candidate)
		switch {
		case err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0:
		case strict.Everybodys(candidate):
			failed = protocol.Errorf(protocol.CodeUnavailable,
				"falcred is not running, and %s is not started: any user could replace it\ninstall it where only you and root can write", candidate)
		default:
			return candidate, nil
		}
	}
	return "", failed
}

// daemonEnv is what a daemon started on demand gets of its starter's
// environment: no caller's key may reach another caller (§5). XDG_RUNTIME_DIR is one of the
// places where we look for its socket (§3).
func daemonEnv(environ []string) []string {
	var env []string
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains([]string{"HOME", "PATH", "FAL_HOME_DIR", "XDG_RUNTIME_DIR"}, name) || strings.HasPrefix(name, "FALCRED_") {
			env = append(env, entry)
		}
	}
	return env
}
