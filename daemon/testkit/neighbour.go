//go:build (linux || darwin) && system

package testkit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// DebianPython is an interpreter that has Debian's portalocker. It is named by its path: another python3 may be first on PATH,
// and knows nothing of Debian's packages.
const DebianPython = "/usr/bin/python3"

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

// Neighbour is a process that locks and refreshes as the fal SDK and CLI do, with
// Debian's portalocker.
type Neighbour struct {
	In  io.WriteCloser // takes a command a line
	Out *bufio.Scanner // answers each with one line
	t   *testing.T
	cmd *exec.Cmd
}

// NewNeighbour starts one in a home, which asks that issuer. It ends with the test.
func NewNeighbour(t *testing.T, home, issuer string) *Neighbour {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	n := &Neighbour{t: t, cmd: exec.CommandContext(ctx, DebianPython, "-c", neighbourScript, home, issuer)}
	n.cmd.Env = []string{"PATH=" + os.Getenv("PATH")} // no proxy, and nobody's key
	n.cmd.Stderr = os.Stderr
	var err error
	if n.In, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.Out = bufio.NewScanner(out)
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Exit)
	return n
}

// Say has one command obeyed and returns the answer; "" is a dead neighbour.
func (n *Neighbour) Say(command ...string) string {
	fmt.Fprintln(n.In, strings.Join(command, " "))
	if !n.Out.Scan() {
		n.t.Errorf("no answer to %q", command[0])
		return ""
	}
	return n.Out.Text()
}

// Want has one command obeyed, and fails the test at any other answer.
func (n *Neighbour) Want(answer string, command ...string) {
	n.t.Helper()
	if got := n.Say(command...); got != answer {
		n.t.Fatalf("%s: %q, want %q", command[0], got, answer)
	}
}

// Exit lets the process end as programs do: portalocker's atexit unlinks the
// lock file then, whoever holds it. A second time it does nothing.
func (n *Neighbour) Exit() {
	n.In.Close()
	n.cmd.Wait()
}

// NeedPortalocker is for a test with neighbours.
func NeedPortalocker(t *testing.T) {
	t.Helper()
	if err := exec.Command(DebianPython, "-c", "import portalocker").Run(); err != nil {
		Missing(t, "Debian's python3-portalocker: ", err)
	}
}
