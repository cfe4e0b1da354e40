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
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

const npmrc = "//registry.example.com/:_authToken=npm_precious\n"

// swap puts a home of links in place of the world's, as somebody does who can write
// the folder above. The links lead to files of ours that falcred has no business
// with.
func (w *world) swap(victims string) {
	w.Helper()
	w.must(os.Rename(w.home, w.home+".was"))
	w.must(os.Mkdir(w.home, 0o755))
	for name, victim := range map[string]string{
		env.TokenFile: ".npmrc", historyFile: ".bashrc", memoryFile: ".profile", lockFile: "chosen", envFile: "env",
	} {
		w.must(os.Symlink(filepath.Join(victims, victim), filepath.Join(w.home, name)))
	}
}

func (w *world) swapBack() {
	w.Helper()
	w.must(os.RemoveAll(w.home))
	w.must(os.Rename(w.home+".was", w.home))
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func mustWrite(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// F6: whoever can write the folder above the home swaps it for one of links. What
// they lead to is neither written, made 0600 nor sent to the issuer; what memory
// holds is served, and all goes on once the folder is mended.
func TestSwappedHome_F6(t *testing.T) {
	above := t.TempDir()
	victims := t.TempDir()
	precious := map[string]string{".npmrc": npmrc, ".bashrc": "alias ll='ls -l'\n", ".profile": "{}\n"}
	for name, text := range precious {
		mustWrite(t, filepath.Join(victims, name), text, 0o644)
	}
	inBubble(t, idp.Config{Lifetime: 2 * time.Hour}, func(w *world) {
		w.home = filepath.Join(above, "home")
		w.path = filepath.Join(w.home, env.TokenFile)
		w.must(os.Mkdir(w.home, 0o700))
		w.signIn("ann")
		w.start()
		held := w.mustGet()
		refresh := w.inFile().refresh
		w.wantRequests(1, "the login")

		w.must(os.Chmod(above, 0o777))
		w.swap(victims)
		w.pass(70 * time.Minute) // a refresh falls due
		if got := w.mustGet(); got != held {
			t.Error("what memory holds is not served")
		}
		w.note(EventClock)
		w.settle()
		if s := w.status(); !strings.Contains(s.LastError, above+" can be written by others") || !strings.Contains(s.Hint, "chmod go-w "+above) {
			t.Errorf("status says %q, %q", s.LastError, s.Hint)
		}
		w.pass(time.Hour) // it has run out by now
		w.wantCode(protocol.CodeUnavailable)
		if _, err := w.signOut(true); err == nil || !strings.Contains(err.Error(), "chmod go-w "+above) {
			t.Errorf("a logout there: %v", err)
		}
		w.wantRequests(1, "the home is not ours to use")
		for name, text := range precious {
			data, err := os.ReadFile(filepath.Join(victims, name))
			info, statErr := os.Stat(filepath.Join(victims, name))
			w.must(errors.Join(err, statErr))
			if string(data) != text || info.Mode().Perm() != 0o644 {
				t.Errorf("%s was changed: %q, %v", name, data, info.Mode())
			}
		}
		if entries, err := os.ReadDir(victims); err != nil || len(entries) != len(precious) {
			t.Errorf("a file was made: %v, %v", entries, err)
		}

		w.swapBack()
		w.must(os.Chmod(above, 0o755))
		w.pass(2 * time.Minute)
		if got := w.mustGet(); got == held {
			t.Error("no refresh came of the mended folder")
		}
		if w.inFile().refresh == refresh || w.status().LastError != "" {
			t.Errorf("it is not over: %q", w.status().LastError)
		}
		w.wantAlive()
	})
}

// F6: the home is looked at by each transaction, not only by the schedule's look:
// each way to it is refused with the folder's name and the mend.
func TestEachUseLooksAtTheWay_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	mustDo(t, os.Mkdir(home, 0o700))
	mustWrite(t, filepath.Join(home, env.TokenFile), "refresh\naccess", 0o600)
	mustWrite(t, filepath.Join(home, envFile), "FALCRED_TEST_X=1\n", 0o600)
	mustWrite(t, filepath.Join(home, historyFile), "{}\n", 0o600)
	cfg := testConfig(home, testIssuer)
	cfg.Socket = filepath.Join(shortDir(t), "s")
	mustDo(t, os.Chmod(above, 0o777))
	quiet := func(string) {}
	over, end := context.WithCancel(t.Context())
	end() // whoever starts after all ends at once
	for name, use := range map[string]func() error{
		"run":            func() error { return Run(over, cfg, slog.New(slog.DiscardHandler)) },
		"the start":      func() error { return prepareHome(home) },
		"the settings":   func() error { _, err := loadEnvFile(filepath.Join(home, envFile)); return err },
		"the note":       func() error { _, err := loadMemory(home); return err },
		"a note":         func() error { return memory{}.save(home) },
		"the history":    func() error { _, err := ReadHistory(home); return err },
		"the lock":       func() error { _, err := acquire(t.Context(), filepath.Join(home, lockFile)); return err },
		"a place":        func() error { _, err := openPlace(filepath.Join(home, env.TokenFile), "refresh"); return err },
		"own files":      func() error { _, _, err := OwnFiles(home); return err },
		"a socket":       func() error { return checkFolder(home) },
		"login":          func() error { return keepable(t.Context(), cfg) },
		"logout":         func() error { _, err := SignOut(cfg, true); return err },
		"follow":         func() error { _, err := OpenFollowed(cfg, quiet); return err },
		"the fal config": func() error { return FalConfig{filepath.Join(home, "config.toml")}.SetTeam("acme") },
		"the token file": func() error { return (tokenFile{path: cfg.tokenPath(), warn: quiet}).read().err },
	} {
		if err := use(); err == nil || !strings.Contains(err.Error(), above+" can be written by others") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := ValidAccess(home); ok {
		t.Error("its access token is believed")
	}
	if entries, _ := os.ReadDir(home); len(entries) != 3 {
		t.Errorf("something was made there: %v", entries)
	}
	// doctor names it, once, and believes nothing in it.
	for i, f := range Examine(t.Context(), cfg) {
		names := f.Result == Fail && strings.Contains(f.Text, above) && strings.Contains(f.Hint, "chmod go-w "+above)
		if names != (i == 0) || i > 0 && strings.Contains(f.Text, above+" can be written") {
			t.Errorf("doctor: %+v", f)
		}
	}
}

// F6: falcred's own files follow no link, whoever made it, and the lock neither.
func TestOwnFilesFollowNoLink_F6(t *testing.T) {
	for name, use := range map[string]func(home string) error{
		memoryFile:  func(home string) error { _, err := loadMemory(home); return err },
		envFile:     func(home string) error { _, err := loadEnvFile(filepath.Join(home, envFile)); return err },
		historyFile: func(home string) error { return (&history{path: filepath.Join(home, historyFile)}).append(Event{}) },
		lockFile: func(home string) error {
			_, err := acquire(t.Context(), filepath.Join(home, lockFile))
			return err
		},
		placePrefix + fingerprint("refresh"): func(home string) error {
			_, err := openPlace(filepath.Join(home, env.TokenFile), "refresh")
			return err
		},
		"falcred.sock.lock":   func(home string) error { _, err := claim(filepath.Join(home, "falcred.sock")); return err },
		"falcred.follow.lock": func(home string) error { _, err := claimFollow(filepath.Join(home, "falcred.follow")); return err },
	} {
		for _, there := range []bool{true, false} {
			home, target := t.TempDir(), filepath.Join(t.TempDir(), "target")
			if there {
				mustWrite(t, target, npmrc, 0o644)
			}
			path := filepath.Join(home, name)
			mustDo(t, os.Symlink(target, path))
			if err := use(home); err == nil || !strings.Contains(err.Error(), path+" is a link") || strings.Contains(err.Error(), "npm_") {
				t.Errorf("%s: %v", name, err)
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

// F2, F6: a link to a token file leads to a folder of ours, or nowhere.
func TestTokenFileByALink_F6(t *testing.T) {
	home, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(elsewhere, "token")
	mustWrite(t, target, "refresh\naccess", 0o600)
	file := tokenFile{path: filepath.Join(home, env.TokenFile), warn: func(string) {}}
	mustDo(t, os.Symlink(target, file.path))
	for mode, want := range map[fs.FileMode]fileState{0o755: fileHolds, 0o777: fileUnusable, 0o777 | fs.ModeSticky: fileUnusable} {
		mustDo(t, os.Chmod(elsewhere, mode))
		if r := file.read(); r.state != want || want == fileUnusable && !strings.Contains(r.mend(), "chmod go-w "+elsewhere) {
			t.Errorf("in a folder of mode %v: %v, %v, %q", mode, r.state, r.err, r.mend())
		}
	}
}

// F6: what the version before accepted goes on, where nobody else can swap it.
func TestHomesOfTheVersionBefore_F6(t *testing.T) {
	for name, c := range map[string]struct {
		above fs.FileMode
		home  fs.FileMode
		want  string
	}{
		"as adduser makes it":     {0o755, 0o700, ""},
		"a private home":          {0o700, 0o700, ""},
		"as the fal CLI makes it": {0o755, 0o755, ""},
		"in /tmp":                 {0o777 | fs.ModeSticky, 0o700, ""},
		"below 0777":              {0o777, 0o700, "chmod go-w "},
		"below 0757":              {0o757, 0o700, "chmod go-w "},
	} {
		above := t.TempDir()
		home := filepath.Join(above, "home")
		mustDo(t, os.Mkdir(home, 0o700))
		mustDo(t, os.Chmod(home, c.home))
		mustDo(t, os.Chmod(above, c.above))
		err := prepareHome(home)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want+above) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// F6: a socket whose folder others swap back and forth is not lost for good, and what
// lies there by its name is not removed.
func TestSwappedSocket_F6(t *testing.T) {
	above := shortDir(t)
	home := filepath.Join(above, "home")
	mustDo(t, os.Mkdir(home, 0o700))
	s, err := listenAt(filepath.Join(home, "s"), claim)
	mustDo(t, err)
	mustDo(t, os.Chmod(above, 0o777))
	mustDo(t, os.Rename(home, home+".was"))
	mustDo(t, os.Mkdir(home, 0o700))
	if s.lost() {
		t.Error("it ends, while nobody can take its place")
	}
	mustDo(t, os.Chmod(above, 0o755))
	if !s.lost() {
		t.Error("it does not make room")
	}
	mustDo(t, os.Chmod(above, 0o777))
	mustDo(t, os.Remove(home))
	mustDo(t, os.Rename(home+".was", home))
	s.close()
	if _, err := os.Lstat(s.path); err != nil {
		t.Errorf("removed by a path that others can swap: %v", err)
	}
}

// F6: a folder above that our own group may write, and nobody else is in, is said
// and stops nothing; any other group's stops all.
func TestGroupsAbove_F6(t *testing.T) {
	above := t.TempDir()
	home := filepath.Join(above, "home")
	mustDo(t, os.Mkdir(home, 0o700))
	mustDo(t, os.Chmod(above, 0o775))
	troubles, err := strict.Examine(home)
	if mustDo(t, err); len(troubles) != 1 || troubles[0].Path != above || !strings.Contains(troubles[0].Hint, "chmod g-w "+above) {
		t.Fatalf("found %+v", troubles)
	}
	err = prepareHome(home)
	if !troubles[0].Minor { // our group has another number, or others in it
		if err == nil {
			t.Error("it was accepted")
		}
		return
	}
	mustDo(t, err)
	log := &syncBuffer{}
	l, err := newLogin(testConfig(home, testIssuer), slog.New(slog.NewTextHandler(log, nil)))
	mustDo(t, err)
	defer l.close()
	for range 3 {
		l.check()
	}
	if n := strings.Count(log.String(), above+" can be written by its group"); n != 1 || len(l.status().Warnings) != 1 {
		t.Errorf("said %d times, %q", n, l.status().Warnings)
	}
	if f := ExamineHome(home); len(f) != 1 || f[0].Result != Warn {
		t.Errorf("doctor: %+v", f)
	}
}

// F6: the owner's pid goes into the file that is locked, and into no other that has
// taken its name.
func TestPIDGoesIntoTheLockedFile_F6(t *testing.T) {
	path := filepath.Join(t.TempDir(), "falcred.sock")
	lock, err := claim(path)
	mustDo(t, err)
	defer lock.Close()
	mustDo(t, os.Rename(path+".lock", path+".was"))
	mustWrite(t, path+".lock", npmrc, 0o644)
	if err := writePID(lock); err == nil {
		t.Error("it was written elsewhere")
	}
	if data, _ := os.ReadFile(path + ".lock"); string(data) != npmrc {
		t.Errorf("the other file holds %q", data)
	}
}

// F6: a command of ours is not run where others could have put a program of its
// name.
func TestOnChangeInASwappedHome_F6(t *testing.T) {
	above, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	home := filepath.Join(above, "home")
	mustDo(t, os.Mkdir(home, 0o700))
	for mode, want := range map[fs.FileMode]string{0o755: home, 0o777: "/"} {
		mustDo(t, os.Chmod(above, mode))
		o := &onChange{command: "pwd -P >" + out, home: home, log: slog.New(slog.DiscardHandler), ctx: context.Background()}
		o.tell(change{state: "refreshed"})
		want, _ := filepath.EvalSymlinks(want)
		if data, _ := os.ReadFile(out); strings.TrimSpace(string(data)) != want {
			t.Errorf("below %v it ran in %q, want %q", mode, data, want)
		}
	}
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
