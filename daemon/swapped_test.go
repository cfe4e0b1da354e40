//go:build linux || darwin

package daemon

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/follow"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

const (
	npmrc      = "//registry.example.com/:_authToken=npm_precious\n"
	testIssuer = "http://127.0.0.1:9999"
)

func mustWrite(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	testkit.Must(t, errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)))
}

// F6: the home is looked at by each transaction, not only by the schedule's look:
// each way to it is refused with the folder's name and the hint.
func TestEachUseLooksAtTheWay_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	mustWrite(t, filepath.Join(home, env.TokenFile), "refresh\naccess", 0o600)
	mustWrite(t, filepath.Join(home, envfile.Name), "FALCRED_TEST_X=1\n", 0o600)
	mustWrite(t, filepath.Join(home, events.HistoryName), "{}\n", 0o600)
	cfg := testConfig(home, testIssuer)
	cfg.Socket = filepath.Join(testkit.ShortDir(t), "s")
	testkit.Must(t, os.Chmod(above, 0o777))
	quiet := func(string) {}
	over, end := context.WithCancel(t.Context())
	end() // whoever starts after all ends at once
	for name, use := range map[string]func() error{
		"run":       func() error { return Run(over, cfg, slog.New(slog.DiscardHandler)) },
		"the start": func() error { return fsx.MakeHome(home) },
		"the settings": func() error {
			_, err := envfile.Read(home)
			return err
		},
		"the ledger":  func() error { _, err := journal.Load(home); return err },
		"a note":      func() error { return journal.Ledger{}.Save(home) },
		"the history": func() error { _, err := events.Read(home); return err },
		"the lock": func() error {
			lock, err := tokenfile.Acquire(t.Context(), home)
			if err == nil {
				lock.Release()
			}
			return err
		},
		"an entry":   func() error { _, err := journal.Begin(filepath.Join(home, env.TokenFile), "refresh"); return err },
		"home files": func() error { _, _, err := HomeFiles(home); return err },
		"a socket": func() error {
			_, err := socket.Open(t.Context(), socket.Options{Path: filepath.Join(home, "s"), Home: home})
			return err
		},
		"login":          func() error { return login.Keepable(t.Context(), cfg.Config) },
		"logout":         func() error { _, err := login.Logout(cfg.Config, true); return err },
		"follow":         func() error { _, err := follow.Open(home, quiet); return err },
		"the fal config": func() error { return fal.Config{Path: filepath.Join(home, "config.toml")}.SetTeam("acme") },
		"the token file": func() error { return tokenfile.In(home, quiet).Read().Err },
	} {
		if err := use(); err == nil || !strings.Contains(err.Error(), above+" can be written by others") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := login.ValidAccess(home); ok {
		t.Error("its access token is believed")
	}
	if entries, _ := os.ReadDir(home); len(entries) != 3 {
		t.Errorf("something was made there: %v", entries)
	}
	// doctor names it, once, and believes nothing in it.
	for i, f := range doctor.Examine(t.Context(), doctor.Config{Config: cfg.Config, Socket: cfg.Socket}) {
		names := f.Result == doctor.Fail && strings.Contains(f.Text, above) && strings.Contains(f.Hint, "chmod go-w "+above)
		if names != (i == 0) || i > 0 && strings.Contains(f.Text, above+" can be written") {
			t.Errorf("doctor: %+v", f)
		}
	}
}

// F6: falcred's own files follow no link, whoever made it, and the lock neither: that is an
// error, or the link is set aside.
func TestOwnFilesFollowNoLink_F6(t *testing.T) {
	for name, use := range map[string]func(home string) error{
		journal.LedgerName: func(home string) error { _, err := journal.Load(home); return err },
		envfile.Name:       func(home string) error { _, err := envfile.Read(home); return err },
		tokenfile.LockName: func(home string) error {
			lock, err := tokenfile.Acquire(t.Context(), home)
			if err == nil {
				lock.Release()
			}
			return err
		},
		filepath.Base(journal.Path("", "refresh")): func(home string) error {
			entry, err := journal.Begin(filepath.Join(home, env.TokenFile), "refresh")
			if err == nil {
				entry.Keep()
			}
			return err
		},
		"falcred.sock.lock": func(home string) error {
			s, err := socket.Open(t.Context(), socket.Options{Path: filepath.Join(home, "falcred.sock"), Home: home})
			if err == nil {
				s.Close()
			}
			return err
		},
		"falcred.follow.lock": func(home string) error {
			f, err := follow.Open(home, func(string) {})
			if err == nil {
				f.Close()
			}
			return err
		},
	} {
		for _, there := range []bool{true, false} {
			home, target := testkit.ShortDir(t), filepath.Join(t.TempDir(), "target")
			if there {
				mustWrite(t, target, npmrc, 0o644)
			}
			path := filepath.Join(home, name)
			testkit.Must(t, os.Symlink(target, path))
			err := use(home)
			if aside := strict.Aside(home); err == nil && len(aside) != 1 || err != nil && (len(aside) != 0 || !strings.Contains(err.Error(), path+" is a link") || strings.Contains(err.Error(), "npm_")) {
				t.Errorf("%s: %v, set aside: %v", name, err, aside)
			}
			info, err := os.Stat(target)
			if !there && err == nil {
				t.Errorf("%s: the link's target was made", name)
			} else if there && (info.Size() != int64(len(npmrc)) || info.Mode().Perm() != 0o644) {
				t.Errorf("%s: the link's target was changed", name)
			}
		}
	}
}

// F6: a folder above that our own group may write, and nobody else is in, is said
// and stops nothing; any other group's stops all.
func TestGroupsAbove_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	testkit.Must(t, os.Mkdir(home, 0o700))
	testkit.Must(t, os.Chmod(above, 0o775))
	problems, err := strict.Examine(home)
	if testkit.Must(t, err); len(problems) != 1 || problems[0].Path != above || !strings.Contains(problems[0].Hint, "chmod g-w "+above) {
		t.Fatalf("found %+v", problems)
	}
	err = fsx.MakeHome(home)
	if !problems[0].Minor { // our group has another number, or others in it
		if err == nil {
			t.Error("it was accepted")
		}
		return
	}
	testkit.Must(t, err)
	log := new(testkit.LogBuffer)
	over, end := context.WithCancel(t.Context())
	m, err := login.Open(over, testConfig(home, testIssuer).Config, slog.New(slog.NewTextHandler(log, nil)))
	testkit.Must(t, err)
	for range 3 { // each looks at the file
		m.Get(over, protocol.Query{ServerURL: protocol.DefaultServer})
	}
	said := m.Snapshot().Status().Warnings
	end()
	m.Close()
	if n := strings.Count(log.String(), above+" can be written by its group"); n != 1 || len(said) != 1 {
		t.Errorf("logged %d times, %q", n, said)
	}
	if f := doctor.ExamineHome(home); len(f) != 1 || f[0].Result != doctor.Warn {
		t.Errorf("doctor: %+v", f)
	}
}
