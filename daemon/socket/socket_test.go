//go:build linux || darwin || windows

package socket

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/testkit"
)

// S1: the lock file says who runs, and nothing of who ran before: a person is told to end
// that process, and a longer number was there.
func TestS1LockFileNamesUsAlone(t *testing.T) {
	path := in(t)
	testkit.Must(t, os.WriteFile(path+".lock", []byte("4194303999\n"), 0o600))
	open(t, Options{Path: path})
	data, err := os.ReadFile(path + ".lock")
	testkit.Must(t, err)
	host, _ := os.Hostname()
	if string(data) != itoa(os.Getpid())+"\n"+host+"\n" {
		t.Errorf("it says %q, and we are %d on %s", data, os.Getpid(), host)
	}
}

// S1: a daemon on another machine, whose locks a network file system has, is no process of
// this one: nobody is told to end that number here.
func TestRunsElsewhere_S1(t *testing.T) {
	host, err := os.Hostname()
	testkit.Must(t, err)
	for written, want := range map[string]string{
		itoa(os.Getpid()) + "\n":                "falcred is already running (pid " + itoa(os.Getpid()) + ") on ",
		itoa(os.Getpid()) + "\n" + host + "\n":  "falcred is already running (pid " + itoa(os.Getpid()) + ") on ",
		itoa(os.Getpid()) + "\nelsewhere\x1b\n": `falcred is already running on the machine "elsewhere\x1b" (pid ` + itoa(os.Getpid()) + " there) on ",
		"4194303\n":                             "falcred is already running on another machine, or in another container (pid 4194303 there) on ",
		"4194303\n" + host + "\n":               "falcred is already running on another machine, or in another container (pid 4194303 there) on ",
		"":                                      "falcred is already running on ",
	} {
		path := in(t)
		lock, err := fsx.TryLockPath(path + ".lock")
		testkit.Must(t, err)
		testkit.Must(t, os.WriteFile(path+".lock", []byte(written), 0o600))
		_, err = Open(t.Context(), Options{Path: path})
		lock.Close()
		if err == nil || !strings.HasPrefix(err.Error(), want+path) {
			t.Errorf("%q: %v", written, err)
			continue
		}
		if _, hint, _ := strings.Cut(err.Error(), "\n"); strings.Contains(hint, "XDG_RUNTIME_DIR") != strings.Contains(want, "there") {
			t.Errorf("%q: the hint is %q", written, hint)
		}
	}
}

// S2: a stale socket is replaced, and ours is removed at the end.
func TestS2Stale(t *testing.T) {
	path := in(t)
	stale(t, path)
	s := open(t, Options{Path: path})
	reachable(t, path)
	wantPrivate(t, path)
	s.Close()
	if !testkit.Gone(path) {
		t.Error("the socket was not removed")
	}
	if testkit.Gone(path + ".lock") {
		t.Error("the lock file was unlinked (S1)")
	}
}

// §3: without a path, the socket is in the home.
func TestSocketInTheHome_S2(t *testing.T) {
	home := testkit.ShortDir(t)
	if s := open(t, Options{Home: home}); s.Path() != filepath.Join(home, "falcred.sock") || len(s.Warnings()) != 0 {
		t.Errorf("%s: %v", s.Path(), s.Warnings())
	}
}

// S2: what answers, or may be answering, is left alone.
func TestS2Occupied(t *testing.T) {
	t.Run("served", func(t *testing.T) {
		path := in(t)
		listen(t, path)
		refused(t, Options{Path: path}, "another program uses the socket "+path)
		reachable(t, path)
	})
	t.Run("queue full", func(t *testing.T) {
		path := in(t)
		listenBusily(t, path)
		for { // until its queue is full
			c, err := testkit.Dial(path)
			if err != nil {
				break
			}
			defer c.Close()
		}
		refused(t, Options{Path: path}, "nobody can tell whether")
		if testkit.Gone(path) {
			t.Error("the busy program lost its socket")
		}
	})
}

// S2: what is no socket is never removed.
func TestS2NotASocket(t *testing.T) {
	create := maps.Clone(systemsOwn)
	create["file"] = func(p string) error { return os.WriteFile(p, []byte("precious"), 0o600) }
	create["folder"] = func(p string) error { return os.Mkdir(p, 0o700) }
	for name, create := range create {
		t.Run(name, func(t *testing.T) {
			path := in(t)
			testkit.Must(t, create(path))
			before, err := os.Lstat(path)
			testkit.Must(t, err)
			refused(t, Options{Path: path}, "is not a socket\nmove it away")
			after, err := os.Lstat(path)
			if err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("it was touched: %v", err)
			}
		})
	}
}

// S2: at the end, somebody else's socket stays.
func TestS2RemovesOnlyItsOwn(t *testing.T) {
	path := in(t)
	s := open(t, Options{Path: path})
	if s.Lost() {
		t.Error("a socket that stands counts as lost")
	}
	testkit.Must(t, os.Remove(path))
	listen(t, path)
	if !s.Lost() {
		t.Error("a socket that was replaced does not count as lost")
	}
	s.Close()
	reachable(t, path)
}

// S1, S2: whatever the order of things, one of many starters serves.
func TestS1OneOfMany(t *testing.T) {
	path := in(t)
	stale(t, path)
	const many = 16
	results := make(chan error, many)
	sockets := make(chan *Socket, many)
	for range many {
		go func() {
			s, err := Open(context.Background(), Options{Path: path})
			if err == nil {
				sockets <- s
			}
			results <- err
		}()
	}
	for range many {
		if err := <-results; err != nil {
			testkit.WantText(t, err.Error(), "falcred is already running")
		}
	}
	if len(sockets) != 1 {
		t.Errorf("%d daemons on one socket", len(sockets))
	}
	for len(sockets) > 0 {
		(<-sockets).Close()
	}
	if testkit.Gone(path + ".lock") {
		t.Error("the lock file was unlinked")
	}
}
