//go:build system && linux

package daemon

import (
	"fmt"
	"os/exec"
	"testing"
	"time"
)

// The same, 200 logins for each lock and overlap.
func TestF3ManyFalAuthLogins(t *testing.T) {
	const rounds = 200
	for _, order := range []string{unlinksAfter, unlinksHeld, noLock} {
		for _, overlap := range []time.Duration{0, 10 * time.Second} {
			t.Run(fmt.Sprintf("%s, overlap %v", order, overlap), func(t *testing.T) {
				t.Parallel()
				besideLogins(t, order, overlap, rounds, standIn(order)).wantInnocent(order, rounds)
			})
		}
	}
}

// The same with Debian's portalocker 2.2.1 itself.
func TestF3FalAuthLoginsOfPython(t *testing.T) {
	needPortalocker(t)
	const rounds = 200
	besideLogins(t, "the real portalocker 2.2.1", 0, rounds, func(b *besides) *exec.Cmd {
		return exec.Command(debianPython, "-c", loginScript, b.cfg.Home, b.cfg.Issuer, b.journal)
	}).wantInnocent(unlinksAfter, rounds)
}

// loginScript is playLogin, each login in a process of its own: its end unlinks the
// lock file, whoever holds it.
const loginScript = `
import hashlib, json, os, random, sys, time, urllib.error, urllib.parse, urllib.request
import portalocker

home, issuer, journal = sys.argv[1:4]
lock_path, token_path = (os.path.join(home, n) for n in (".portalock", "auth0_token"))

def note(what, token):
    with open(journal, "a") as f:
        f.write("%.6f fal-cli/1 %s %s\n" % (time.time(), what, hashlib.sha256(token.encode()).hexdigest()))

def lock():
    return portalocker.utils.TemporaryFileLock(lock_path, fail_when_locked=False, timeout=20)

def write(*lines):
    with open(token_path, "w") as f: # truncates, then writes
        f.write("\n".join(lines))
    note("wrote", lines[0])

def pause():
    time.sleep(random.random() * 0.05)

def access_token():
    read_at = time.time()
    lines = open(token_path).read().splitlines() if os.path.exists(token_path) else []
    if not lines:
        return "no login"
    if len(lines) > 1: # of falcred, a moment ago
        return "fresh"
    form = {"grant_type": "refresh_token", "client_id": "test-client", "refresh_token": lines[0]}
    ask = urllib.request.Request(issuer + "/oauth/token", urllib.parse.urlencode(form).encode(),
        {"User-Agent": "fal-cli/1 read/%.6f" % read_at})
    try:
        reply = json.load(urllib.request.urlopen(ask, timeout=5))
        urllib.request.urlopen(issuer + "/.well-known/jwks.json", timeout=30).read()
        write(reply["refresh_token"], reply["access_token"])
    except BaseException: # any failure
        note("deletes", lines[0])
        os.unlink(token_path)
        note("deleted", lines[0])
        return "refused"
    return "refreshed"

def login(refresh):
    with lock():
        write(refresh)
    pause()
    with lock():
        end = access_token()
    pause()
    print(end, flush=True)

while True:
    line = sys.stdin.readline()
    if not line:
        break
    child = os.fork()
    if child == 0:
        login(line.strip())
        sys.exit()
    os.waitpid(child, 0)
`
