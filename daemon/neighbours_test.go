//go:build (linux || darwin) && system

package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol/env"
)

// These tests run beside Debian's portalocker 2.2.1, the lock of the fal SDK
// and CLI, as those use it (DESIGN §2): real processes, real files, the real
// clock.

// debianPython is named by its path: another python3 may be first on PATH,
// and knows nothing of Debian's packages.
const debianPython = "/usr/bin/python3"

// neighbourScript obeys one command a line and answers each with one line. A
// new lock object for each use, the default interval and no cleverness about
// errors is what the SDK does; "race" polls faster, for more collisions. It
// refreshes with the Basic header only so that the issuer's record tells its
// requests from falcred's.
const neighbourScript = `
import base64, contextlib, json, os, sys, time, urllib.error, urllib.parse, urllib.request
import portalocker

home, issuer = sys.argv[1], sys.argv[2]
lock_path, token_path, inside = (os.path.join(home, n) for n in (".portalock", "auth0_token", "inside"))

crashes = 0

def raw_lock(**how):
    return portalocker.utils.TemporaryFileLock(lock_path, fail_when_locked=False, **{"timeout": 20, **how})

@contextlib.contextmanager
def sdk_lock(**how):
    global crashes
    lock = raw_lock(**how)
    lock.acquire()
    try:
        yield
    finally:
        try:
            lock.release()
        except FileNotFoundError: # two unlinked at once: an SDK's program dies of it
            crashes += 1

def race(rounds, unlinks):
    broken = 0
    for _ in range(rounds):
        with (sdk_lock if unlinks else plain_lock)(check_interval=0.001):
            try:
                os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                broken += 1
                continue
            time.sleep(0.0005)
            os.unlink(inside)
    return broken

def plain_lock(**how):
    return portalocker.Lock(lock_path, timeout=20, fail_when_locked=False, **how)

def read_tokens():
    lines = [l.strip() for l in open(token_path).read().splitlines() if l.strip()]
    return (lines + ["", ""])[:2]

def left(access):
    try:
        body = access.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"] - time.time()
    except Exception:
        return 0

def write(refresh, access):
    with open(token_path, "w") as f: # truncates, then writes
        f.write(refresh + "\n" + access)

def spend(refresh):
    form = {"grant_type": "refresh_token", "refresh_token": refresh}
    header = {"Authorization": "Basic " + base64.b64encode(b"test-client:").decode()}
    ask = urllib.request.Request(issuer + "/oauth/token", urllib.parse.urlencode(form).encode(), header)
    reply = json.load(urllib.request.urlopen(ask, timeout=30))
    return reply["refresh_token"], reply["access_token"]

def client():
    with sdk_lock():
        refresh, access = read_tokens()
    if left(access) > 300:
        return "fresh"
    if not refresh:
        return "empty"
    try:
        pair = spend(refresh) # outside the lock
    except urllib.error.HTTPError as e:
        return "refused"
    with sdk_lock():
        write(*pair)
    return "refreshed"

held = None
for line in sys.stdin:
    verb, *args = line.split()
    if verb == "take":
        held = raw_lock(); held.acquire(); answer = "held"
    elif verb == "try":
        held = raw_lock(timeout=0.01, check_interval=0.003)
        try:
            held.acquire(); answer = "held"
        except portalocker.exceptions.LockException:
            held, answer = None, "locked"
    elif verb == "release":
        held.release(); held, answer = None, "released"
    elif verb == "race":
        answer = str(race(int(args[0]), args[1] == "unlinks"))
    elif verb == "crashes":
        answer = str(crashes)
    elif verb == "client":
        answer = client()
    elif verb == "put": # a new login, or a late write: under the lock, as everybody does
        with sdk_lock(): write(*args)
        answer = "written"
    elif verb == "spend":
        pair = spend(args[0])
        with sdk_lock(): write(*pair)
        answer = " ".join(pair)
    print(answer, flush=True)
`

// neighbour is one such process.
type neighbour struct {
	*testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func newNeighbour(t *testing.T, home, issuer string) *neighbour {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	n := &neighbour{T: t, cmd: exec.CommandContext(ctx, debianPython, "-c", neighbourScript, home, issuer)}
	n.cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // no proxy, and nobody's key
	n.cmd.Stderr = os.Stderr
	var err error
	if n.in, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.out = bufio.NewScanner(out)
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.exit)
	return n
}

// say has one command obeyed and returns the answer; "" is a dead neighbour.
func (n *neighbour) say(command ...string) string {
	fmt.Fprintln(n.in, strings.Join(command, " "))
	if !n.out.Scan() {
		n.Errorf("no answer to %q", command[0])
		return ""
	}
	return n.out.Text()
}

func (n *neighbour) want(answer string, command ...string) {
	n.Helper()
	if got := n.say(command...); got != answer {
		n.Fatalf("%s: %q, want %q", command[0], got, answer)
	}
}

// exit lets the process end as programs do: portalocker's atexit unlinks the
// lock file then, whoever holds it.
func (n *neighbour) exit() {
	n.in.Close()
	n.cmd.Wait()
}

// needPortalocker skips on a laptop and fails in CI.
func needPortalocker(t *testing.T) {
	t.Helper()
	err := exec.Command(debianPython, "-c", "import portalocker").Run()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal("CI must have python3-portalocker: ", err)
	default:
		t.Skip("needs Debian's python3-portalocker: ", err)
	}
}

// brief tries the lock as a neighbour that finds it held does.
func brief(path string) (*hold, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	return acquire(ctx, path)
}

// F1: while nobody waits in the moment of portalocker's unlinking, the two
// exclude each other in both directions, and a waiting neighbour gets the lock
// as soon as falcred is done.
func TestF1PortalockerAndFalcredExcludeEachOther(t *testing.T) {
	needPortalocker(t)
	home := t.TempDir()
	path := filepath.Join(home, ".portalock")
	n := newNeighbour(t, home, "")
	const rounds = 200
	begun := time.Now()
	for range rounds {
		ours, err := acquire(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		n.want("locked", "try")
		fmt.Fprintln(n.in, "try") // and once more, across the end of our hold
		ours.release()
		if n.out.Scan(); n.out.Text() == "locked" {
			n.want("held", "take")
		}
		if ours, err := brief(path); err == nil {
			ours.release()
			t.Fatal("falcred got a lock that portalocker holds")
		}
		n.want("released", "release")
	}
	t.Logf("%d rounds, each direction refused in each of them: %v", rounds, time.Since(begun).Round(time.Millisecond))
}

// F1: everybody at once. flock itself excludes; what portalocker's unlinking
// after the unlock breaks is counted, since nobody can repair it from outside.
func TestF1PortalockerAndFalcredRace(t *testing.T) {
	needPortalocker(t)
	for _, unlinks := range []bool{false, true} {
		name := map[bool]string{false: "keeps the file", true: "unlinks the file"}[unlinks]
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			const neighbours, rounds = 2, 300
			done := make(chan string, neighbours)
			for range neighbours {
				n := newNeighbour(t, home, "")
				go func() {
					done <- n.say("race", fmt.Sprint(rounds), strings.Fields(name)[0]) + ", and crashed " + n.say("crashes")
				}()
			}
			ours, broken, theirs := 0, 0, []string{}
			for len(theirs) < neighbours {
				select {
				case answer := <-done:
					theirs = append(theirs, answer)
				default:
					ours++
					broken += enter(t, home)
				}
			}
			t.Logf("%d rounds of each of %d portalockers, %d of falcred; how often each met another inside: falcred %d, they %q",
				rounds, neighbours, ours, broken, theirs)
			none := "0, and crashed 0"
			if !unlinks && (broken != 0 || theirs[0] != none || theirs[1] != none) {
				t.Error("flock did not exclude")
			}
			if ours < 10 {
				t.Errorf("falcred starved: %d rounds", ours)
			}
		})
	}
}

// enter is one hold as a refresh has it, and counts somebody else inside.
func enter(t *testing.T, home string) (broken int) {
	h, err := acquire(t.Context(), filepath.Join(home, ".portalock"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.release()
	if err := h.confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	inside := filepath.Join(home, "inside")
	file, err := os.OpenFile(inside, os.O_CREATE|os.O_EXCL, 0o600)
	if os.IsExist(err) {
		return 1
	}
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if err := os.Remove(inside); err != nil {
		t.Fatal(err)
	}
	return 0
}

// onRealClock is a world without a bubble: its owner watches the file, and its
// issuer listens on loopback. The neighbours write as if there were no owner.
func onRealClock(t *testing.T, cfg idp.Config) (w *world, issuer string) {
	t.Helper()
	needPortalocker(t)
	server, err := idp.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w = &world{T: t, idp: server.Provider, home: t.TempDir(), log: &syncBuffer{}}
	w.path = filepath.Join(w.home, env.TokenFile)
	refresh, access, _ := w.idp.Login("ann")
	w.write(refresh, access)
	servers, err := env.NewServers(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	w.Login, err = newLogin(Config{Home: w.home, Issuer: server.URL, ClientID: "test-client", Servers: servers},
		slog.New(slog.NewTextHandler(w.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var threads sync.WaitGroup
	threads.Go(func() { w.schedule(ctx) })
	threads.Go(func() { w.watch(ctx) })
	t.Cleanup(func() {
		cancel()
		threads.Wait()
		w.work.Wait()
	})
	w.until("the owner serves the file's token", w.servesTheFile)
	return w, server.URL
}

// wantSentOnce: falcred sends no refresh token twice (F5), whatever the
// neighbours, whose requests carry the Basic header, do.
func (w *world) wantSentOnce() (falcred, neighbours int) {
	w.Helper()
	sent := map[string]bool{}
	for _, r := range w.idp.Requests() {
		switch {
		case r.Basic:
			neighbours++
			continue
		case sent[r.RefreshHash]:
			w.Errorf("falcred sent a token twice\n%s", w.log)
		}
		sent[r.RefreshHash] = true
		falcred++
	}
	return falcred, neighbours
}

// F5 where F1 is broken: while falcred's answer is on its way a neighbour
// exits, which unlinks the lock that falcred holds, and another is let in by
// the new file and writes. What it wrote wins, and nothing is lost by it.
func TestF5LoginSurvivesABrokenLock(t *testing.T) {
	w, issuer := onRealClock(t, idp.Config{Overlap: time.Minute})
	second := newNeighbour(t, w.home, issuer)
	const rounds = 20
	broken := 0
	for i := range rounds {
		first := newNeighbour(t, w.home, issuer)
		hold := idp.NewHold()
		w.idp.Inject(hold.After())
		spent := w.expire()
		w.until("falcred holds the lock, and its token is spent", func() bool {
			select {
			case <-hold.Arrived:
				return true
			default:
			}
			w.mu.Lock()
			undone := w.flight == nil && w.login.fresh(time.Now()) && w.login.pair == w.file.read().pair
			w.mu.Unlock()
			if undone { // by a refresh that was still under way
				spent = w.expire()
			}
			return false
		})
		first.want("locked", "try")
		first.exit()
		if second.say("try") == "held" {
			broken++
			second.want("released", "release")
		}
		var written pair
		if i%2 == 0 { // as fal_client: the same token, refreshed outside of the lock
			refresh, access, _ := strings.Cut(second.say("spend", spent), " ")
			written = pair{refresh, access}
		} else { // somebody logs in again
			written.refresh, written.access, _ = w.idp.Login("ann")
			second.want("written", "put", written.refresh, written.access)
		}
		close(hold.Release)
		w.until("the owner goes on with what the neighbour wrote", func() bool {
			return w.servesTheFile() && w.goesOnWith(written)
		})
		// A late write of the token that falcred has spent, by one who thinks
		// that it is still good: the living one goes back, and nothing is sent.
		second.want("written", "put", spent, written.access)
		w.until("the living token is back", func() bool { return w.inFileOr(spent) != spent && w.servesTheFile() })
		w.wantAlive()
	}
	w.wantNoPlaces()
	falcred, neighbours := w.wantSentOnce()
	t.Logf("%d rounds, %d of them with a broken lock; %d refreshes by falcred, %d by neighbours, 0 reuse detections",
		rounds, broken, falcred, neighbours)
	if broken != rounds {
		t.Errorf("the lock was broken in %d of %d rounds: the neighbours are not what they were", broken, rounds)
	}
}

// goesOnWith: the file holds p, or what came of p by a refresh of ours.
func (w *world) goesOnWith(p pair) bool {
	now := w.inFile()
	w.mu.Lock()
	defer w.mu.Unlock()
	return now == p || w.memory.spent(p.refresh) && w.memory.Tip == fingerprint(now.refresh)
}

// F5 beside neighbours that refresh for themselves whenever they find the
// token expired, all at once. An issuer that accepts the previous token for a
// while forgives them; falcred must not be the one that ends the login.
func TestF5LoginSurvivesRefreshingNeighbours(t *testing.T) {
	w, issuer := onRealClock(t, idp.Config{Overlap: time.Minute})
	slow := idp.DelayBefore(20 * time.Millisecond) // so that requests overlap
	w.idp.SetFault(&slow)
	clients := []*neighbour{newNeighbour(t, w.home, issuer), newNeighbour(t, w.home, issuer)}
	for _, n := range clients {
		n.want("fresh", "client") // it is up
	}
	const rounds = 20
	for i := range rounds {
		w.expire()
		var group sync.WaitGroup
		for _, n := range clients {
			group.Go(func() {
				for answer := ""; answer != "fresh"; {
					if answer = n.say("client"); answer == "" || answer == "refused" {
						t.Errorf("round %d: a neighbour was refused", i)
						return
					}
				}
			})
		}
		group.Wait()
		w.until("the owner serves the file's token", w.servesTheFile)
		if t.Failed() {
			t.Fatal(w.log)
		}
	}
	last := w.expire()
	w.until("the last one is refreshed", func() bool { return w.inFileOr(last) != last && w.servesTheFile() })
	if n := w.idp.Stats().ReuseDetections; n != 0 {
		t.Errorf("%d reuse detections", n)
	}
	w.wantNoPlaces()
	falcred, neighbours := w.wantSentOnce()
	t.Logf("%d rounds beside 2 neighbours: %d refreshes by falcred, %d by neighbours, %d of them replays that the issuer forgave; %s and %s crashes of portalocker",
		rounds, falcred, neighbours, w.idp.Stats().Replays, clients[0].say("crashes"), clients[1].say("crashes"))
}

// inFileOr is the file's refresh token, or other in the moment of a write.
func (w *world) inFileOr(other string) string {
	if r := w.file.read(); r.state == fileHolds {
		return r.pair.refresh
	}
	return other
}
