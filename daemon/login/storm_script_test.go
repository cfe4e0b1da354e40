//go:build (linux || darwin) && system

package login

// stormScript is the fal CLI or fal_client (DESIGN §2), used again and again
// until its time is over. Each use is a process of its own, which ends as
// programs do: portalocker's atexit unlinks the lock file then, whoever holds
// it. The requests say who sends them and when the file was read, and the
// journal says what was written and deleted: from the two the test tells by
// whose fault a login was lost.
const stormScript = `
import base64, hashlib, importlib.util, json, os, random, sys, time, types
import urllib.error, urllib.parse, urllib.request
import portalocker

home, issuer, journal, me, source = sys.argv[1:6]
lock_path, token_path = (os.path.join(home, n) for n in (".portalock", "auth0_token"))
os.environ["FAL_HOME_DIR"] = home
read_at = 0.0

FRESH, REFRESHED, ABSENT, REFUSED, GAVE_UP, TRIPPED = range(10, 16)
NAMES = {FRESH: "fresh", REFRESHED: "refreshed", ABSENT: "no login", REFUSED: "refused",
         GAVE_UP: "gave up the lock", TRIPPED: "tripped over the lock file"}

def note(what, token):
    line = "%.6f %s %s %s\n" % (time.time(), me, what, hashlib.sha256(token.encode()).hexdigest())
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)

def lock():
    return portalocker.utils.TemporaryFileLock(lock_path, fail_when_locked=False, timeout=20)

def left(access):
    try:
        body = access.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"] - time.time()
    except Exception:
        return 0

def write(refresh, access):
    with open(token_path, "w") as f: # truncates, then writes
        f.write(refresh + "\n" + access)
    note("wrote", refresh)

def post(url, data, timeout):
    header = {"User-Agent": "%s read/%.6f" % (me, read_at)}
    return urllib.request.urlopen(urllib.request.Request(url, urllib.parse.urlencode(data).encode(), header), timeout=timeout)

def spend(refresh, timeout):
    data = {"grant_type": "refresh_token", "client_id": "test-client", "refresh_token": refresh}
    return json.load(post(issuer + "/oauth/token", data, timeout))

def fal_cli():
    global read_at
    with lock(): # across the refresh
        read_at = time.time()
        lines = open(token_path).read().splitlines() if os.path.exists(token_path) else []
        if not lines:
            return ABSENT
        refresh, access = (lines + [""])[:2]
        if left(access) > 30 * 60:
            return FRESH
        try:
            reply = spend(refresh, 5)
            urllib.request.urlopen(issuer + "/.well-known/jwks.json", timeout=30).read()
            write(reply["refresh_token"], reply["access_token"])
        except BaseException: # any failure
            note("deletes", refresh)
            try:
                os.unlink(token_path)
            finally:
                note("deleted", refresh)
            return REFUSED
        return REFRESHED

def fal_client():
    global read_at
    with lock():
        read_at = time.time()
        text = open(token_path).read() if os.path.exists(token_path) else ""
    lines = [l.strip() for l in text.splitlines() if l.strip()]
    if not lines:
        return ABSENT
    refresh, access = (lines + [""])[:2]
    if left(access) > 5 * 60:
        return FRESH
    try:
        reply = spend(refresh, 30) # outside the lock
    except urllib.error.HTTPError:
        return REFUSED
    with lock():
        write(reply.get("refresh_token", refresh), reply["access_token"])
    return REFRESHED

class Reply:
    def __init__(self, status, body): self.status_code, self.body = status, body
    def json(self): return json.loads(self.body)

def real_client(path):
    # The SDK's own source: its synchronous path, which the other mirrors. Its HTTP client is
    # urllib, so that each request says whose it is, and what else it imports need not be there.
    for name in ("httpx", "aiofiles", "aiofiles.os"):
        sys.modules.setdefault(name, types.ModuleType(name))
    spec = importlib.util.spec_from_file_location("real_auth", path)
    auth = importlib.util.module_from_spec(spec)
    sys.modules["real_auth"] = auth
    spec.loader.exec_module(auth)
    auth.AUTH0_TOKEN_URL, auth.AUTH0_CLIENT_ID = issuer + "/oauth/token", "test-client"
    read, written, sent = auth._read_auth_tokens, auth._write_auth_tokens, []
    def timed_read():
        global read_at
        read_at = time.time()
        return read()
    def noted_write(refresh, access):
        written(refresh, access)
        note("wrote", refresh)
    def seen_post(url, data, timeout):
        sent.append(url)
        try:
            reply = post(url, data, timeout)
            return Reply(reply.status, reply.read())
        except urllib.error.HTTPError as e:
            return Reply(e.code, e.read())
    auth._read_auth_tokens, auth._write_auth_tokens = timed_read, noted_write
    auth.httpx = types.SimpleNamespace(post=seen_post)
    def use():
        try:
            if auth._load_bearer_token_from_login() is None:
                return ABSENT
        except auth.MissingCredentialsError:
            return REFUSED
        return REFRESHED if sent else FRESH
    return use

def guarded(use):
    try:
        return use()
    except portalocker.exceptions.LockException:
        return GAVE_UP
    except FileNotFoundError: # two unlinked at once: the program dies of it
        return TRIPPED

kind = me.split("/")[0]
use = fal_cli if kind == "fal-cli" else real_client(source) if source else fal_client
print("ready", flush=True)
while line := sys.stdin.readline(): # a gust
    end = time.time() + float(line)
    ends = {}
    while time.time() < end:
        child = os.fork()
        if child == 0:
            sys.exit(guarded(use))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        name = NAMES.get(code, "crashed")
        ends[name] = ends.get(name, 0) + 1
        time.sleep(random.random() * 0.1) # no two keep step
    print(json.dumps(ends), flush=True)
`
