//go:build system && linux

package login

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// The same, 200 logins for each lock and overlap.
func TestF3ManyFalAuthLogins(t *testing.T) {
	const rounds = 200
	for _, order := range []testkit.Order{testkit.UnlinksAfter, testkit.UnlinksHeld, testkit.NoLock} {
		for _, overlap := range []time.Duration{0, 10 * time.Second} {
			t.Run(fmt.Sprintf("%s, overlap %v", order, overlap), func(t *testing.T) {
				t.Parallel()
				besideLogins(t, string(order), overlap, rounds, standIn(order)).wantInnocent(order, rounds)
			})
		}
	}
}

// The same with Debian's portalocker 2.2.1 itself.
func TestF3FalAuthLoginsOfPython(t *testing.T) {
	testkit.NeedPortalocker(t)
	const rounds = 200
	besideLogins(t, "the real portalocker 2.2.1", 0, rounds, func(b *besides) *exec.Cmd {
		return exec.Command(testkit.DebianPython, "-c", loginScript, b.home, b.issuer, b.journal)
	}).wantInnocent(testkit.UnlinksAfter, rounds)
}

// The same with the CLI's own source, which FAL_CLIENT_DIR names: by hand, since it is
// not to be had as a package here.
func TestF3FalAuthLoginsOfTheCLI(t *testing.T) {
	testkit.NeedPortalocker(t)
	source := filepath.Join(os.Getenv("FAL_CLIENT_DIR"), "projects", "fal", "src", "fal")
	if _, err := os.Stat(filepath.Join(source, "auth", "local.py")); os.Getenv("FAL_CLIENT_DIR") == "" || err != nil {
		t.Logf("*not run*: FAL_CLIENT_DIR names no source of the CLI")
		return
	}
	const rounds = 200
	besideLogins(t, "the CLI's own source", 0, rounds, func(b *besides) *exec.Cmd {
		return exec.Command(testkit.DebianPython, "-c", cliScript, b.home, b.issuer, b.journal, source)
	}).wantInnocent(testkit.UnlinksAfter, rounds)
}

// cliScript runs fal/auth: what follows the device flow in login(), and then the first
// question for the teams. What it imports from elsewhere is played, and the issuer is
// the test's.
const cliScript = `
import contextlib, hashlib, json, os, random, sys, time, types, urllib.error, urllib.parse, urllib.request

home, issuer, journal, source = sys.argv[1:5]
os.environ["FAL_HOME_DIR"] = home
read_at = 0.0

def module(name, **members):
    m = sys.modules[name] = types.ModuleType(name)
    m.__dict__.update(members)
    return m

class Answer:
    def __init__(self, status, body):
        self.status_code, self.body = status, body
    def json(self):
        return json.loads(self.body)

def post(url, data):
    url = url.replace("https://auth.fal.ai", issuer)
    data = dict(data, client_id="test-client")
    ask = urllib.request.Request(url, urllib.parse.urlencode(data).encode(), {"User-Agent": "fal-cli/1 read/%.6f" % read_at})
    try:
        with urllib.request.urlopen(ask, timeout=30) as r:
            return Answer(r.status, r.read())
    except urllib.error.HTTPError as e:
        return Answer(e.code, e.read())

def decode(token, leeway=0, **options):
    import base64
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    if claims["exp"] + leeway <= time.time():
        raise ValueError("expired")

class Failed(Exception):
    pass

module("fal", __path__=[source])
module("fal.config", Config=object)
module("fal.console", __path__=[])
module("fal.console.ux", maybe_open_browser_tab=None)
module("fal.exceptions", __path__=[os.path.join(source, "exceptions")], FalServerlessException=Failed)
module("httpx", post=post)
module("jwt", decode=decode)
from fal import auth
from fal.auth import auth0, local

auth0.validate_id_token = lambda token: urllib.request.urlopen(issuer + "/.well-known/jwks.json", timeout=30).read()

def note(what, token):
    with open(journal, "a") as f:
        f.write("%.6f fal-cli/1 %s %s\n" % (time.time(), what, hashlib.sha256(token.encode()).hexdigest()))

def load_token(load=local.load_token):
    global read_at, held
    read_at = time.time()
    held = load()
    return held

def save_token(refresh, access=None, save=local.save_token):
    save(refresh, access)
    note("wrote", refresh)

def delete_token(delete=local.delete_token):
    note("deletes", held[0])
    delete()
    note("deleted", held[0])

local.load_token, local.save_token, local.delete_token = load_token, save_token, delete_token

def login(refresh):
    auth0.login = lambda *args, **options: {"refresh_token": refresh}
    auth.login(None)
    time.sleep(random.random() * 0.05)
    try:
        auth.UserAccess().access_token
        end = "refreshed" if held[1] is None else "fresh"
    except Exception as e:
        end = "refused"
    time.sleep(random.random() * 0.05)
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
