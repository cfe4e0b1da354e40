package helper

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
)

// hurry makes every limit short.
func hurry(t *testing.T) {
	limits := []*time.Duration{&waits.prompt, &waits.before, &waits.between, &waits.sign}
	if !testkit.Wine() { // where a pipe may take longer to open
		limits = append(limits, &waits.connect)
	}
	for _, limit := range limits {
		before := *limit
		t.Cleanup(func() { *limit = before })
		*limit = 20 * time.Millisecond
	}
}

// silence is a socket where somebody takes connections and says nothing.
func silence(t *testing.T) string {
	t.Helper()
	l, err := testdaemon.Listen(filepath.Join(testkit.ShortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// everyVerb is what each of a client's questions ends with.
func everyVerb(t *testing.T, c *Client) iter.Seq2[string, error] {
	server := protocol.Query{ServerURL: protocol.DefaultServer}
	return func(yield func(string, error) bool) {
		for name, ask := range map[string]func(context.Context) error{
			"get":     func(ctx context.Context) error { _, err := c.Get(ctx, server); return err },
			"list":    func(ctx context.Context) error { _, err := c.List(ctx); return err },
			"status":  func(ctx context.Context) error { _, err := c.Status(ctx); return err },
			"version": func(ctx context.Context) error { _, err := c.Version(ctx); return err },
			"stop":    func(ctx context.Context) error { _, err := c.End(ctx); return err },
			"erase":   func(ctx context.Context) error { _, err := c.Erase(ctx, server); return err },
			"store": func(ctx context.Context) error {
				return c.Store(ctx, protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: "r"})
			},
			"watch": func(ctx context.Context) (err error) {
				for _, err = range c.Watch(ctx, server) {
					break
				}
				return err
			},
		} {
			if !yield(name, ask(t.Context())) {
				return
			}
		}
	}
}

// §4: no question waits for a daemon that says nothing, and what must not be repeated says
// that it may have been done.
func TestASilentDaemonIsGivenUp_Section4(t *testing.T) {
	hurry(t)
	socket := silence(t)
	for name, err := range everyVerb(t, client(t, socket)) {
		mayBe := slices.Contains([]string{"erase", "store"}, name) // a stop was not sent yet
		if codeOf(err) != protocol.CodeUnavailable || !strings.Contains(err.Error(), "the daemon at "+socket+" does not answer") || strings.Contains(err.Error(), "nobody can tell whether") != mayBe {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// §4: a daemon that says who it is, and nothing more, may have begun to end.
func TestAnEndThatMayBeDone_Section4(t *testing.T) {
	hurry(t)
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(r protocol.Request) any {
		if r.Verb == protocol.VerbStatus {
			return protocol.Status{PID: 17}
		}
		<-t.Context().Done()
		return nil
	})
	status, err := client(t, s.Path).End(t.Context())
	if status.PID != 17 || codeOf(err) != protocol.CodeUnavailable || !strings.Contains(err.Error(), "nobody can tell whether") {
		t.Errorf("%+v, %v", status, err)
	}
}

// §4: one that is at work is waited for, however long.
func TestADaemonThatIsAtWorkIsWaitedFor_Section4(t *testing.T) {
	hurry(t)
	waits.sign, waits.between = testkit.Patience, time.Millisecond
	looked := make(chan bool, 1000)
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(r protocol.Request) any {
		if r.Verb == protocol.VerbVersion {
			looked <- true
		} else {
			for range 3 {
				<-looked
			}
		}
		return testdaemon.Bearer(r)
	})
	c := client(t, s.Path)
	if cred, err := c.Get(t.Context(), fal); err != nil || cred.Secret != "token" {
		t.Errorf("get: %v", err)
	}
	if _, err := c.Erase(t.Context(), fal); err != nil {
		t.Errorf("erase: %v", err)
	}
}

// S3, §3: which errors of a place mean the next one, and which are said where there is none.
func TestWhatAFailedConnectionMeans_Section3(t *testing.T) {
	for _, tt := range []struct {
		err       error
		goOn      bool   // at the first place
		code      string // "" where a daemon may be started
		goOnLater bool   // at the second
		codeLater string
	}{
		{os.NewSyscallError("connect", syscall.ENOENT), true, "", true, ""},
		{os.NewSyscallError("connect", syscall.ENOTDIR), true, "", true, ""},
		{os.NewSyscallError("connect", syscall.ECONNREFUSED), true, "", true, ""},
		{os.NewSyscallError("connect", syscall.ENOTSOCK), true, "", true, ""},
		{os.NewSyscallError("connect", syscall.EPROTOTYPE), true, "", true, ""},
		{os.NewSyscallError("connect", syscall.ELOOP), true, "", true, ""},
		{os.NewSyscallError("connect", syscall.EACCES), false, "denied", true, ""},
		{os.NewSyscallError("connect", syscall.EPERM), false, "denied", true, ""},
		{os.NewSyscallError("connect", syscall.ENOTCONN), true, "unavailable", true, ""}, // a FUSE whose server is gone
		{os.NewSyscallError("connect", syscall.EIO), true, "unavailable", true, ""},
		{os.NewSyscallError("connect", syscall.ESTALE), true, "unavailable", true, ""}, // NFS
		{os.NewSyscallError("connect", syscall.ETIMEDOUT), true, "unavailable", true, ""},
		{os.NewSyscallError("connect", syscall.EHOSTDOWN), true, "unavailable", true, ""}, // CIFS
		{os.NewSyscallError("connect", syscall.ENAMETOOLONG), true, "unavailable", true, ""},
		{os.NewSyscallError("connect", syscall.EINVAL), true, "unavailable", true, ""},
		{errHangs, true, "unavailable", true, ""},
		{errQueueFull, true, "unavailable", true, "unavailable"}, // it may serve this home
		{os.NewSyscallError("socket", syscall.EMFILE), false, "unavailable", false, "unavailable"},
		{os.NewSyscallError("socket", syscall.ENFILE), false, "unavailable", false, "unavailable"},
		{os.NewSyscallError("socket", syscall.ENOBUFS), false, "unavailable", false, "unavailable"},
		{os.NewSyscallError("socket", syscall.EAFNOSUPPORT), false, "unavailable", false, "unavailable"},
	} {
		for _, first := range []bool{true, false} {
			goOn, code := tt.goOn, tt.code
			if !first {
				goOn, code = tt.goOnLater, tt.codeLater
			}
			found, next := explain(tt.err, "/home/ann/.fal/falcred.sock", first)
			if next != goOn || string(codeOf(found)) != code {
				t.Errorf("%v, first %t: %v, goes on: %t", tt.err, first, found, next)
			}
			var errno syscall.Errno
			if errors.As(tt.err, &errno) && errno != syscall.EMFILE && code == "unavailable" && !strings.Contains(found.Error(), errno.Error()) {
				t.Errorf("%v hides its cause: %v", tt.err, found)
			}
		}
	}
}

// §3: a daemon at the second place that does not say whose it is may be ours, and none is
// started beside it.
func TestASilentSecondPlaceIsSaid_Section3(t *testing.T) {
	hurry(t)
	home, run := testkit.ShortDir(t), testkit.ShortDir(t)
	l, err := testdaemon.Listen(filepath.Join(run, "falcred.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := New(testdaemon.Lookup(map[string]string{"FAL_HOME_DIR": home, "XDG_RUNTIME_DIR": run}))
	if _, err := c.Get(t.Context(), fal); codeOf(err) != protocol.CodeUnavailable || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("%v", err)
	}
}

// §4: why a connection broke is said, where that is more than a daemon's end.
func TestABrokenConnectionNamesItsCause_Section4(t *testing.T) {
	for err, want := range map[error]string{
		syscall.EPIPE:                              "closed the connection",
		syscall.ECONNRESET:                         "closed the connection",
		os.NewSyscallError("read", syscall.EIO):    syscall.EIO.Error(),
		os.NewSyscallError("read", syscall.ENOMEM): syscall.ENOMEM.Error(),
	} {
		if got := brokenOff(t.Context(), err); codeOf(got) != protocol.CodeUnavailable || !strings.Contains(got.Error(), want) {
			t.Errorf("%v: %v", err, got)
		}
	}
}
