package login

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// `fal auth login` writes line 1, and refreshes that token itself within
// milliseconds, to list the teams (DESIGN §2). These tests play it beside a
// running owner, with each of the locks that it can have.

// loginSpread is the time between two steps of the CLI: 0 to this.
const loginSpread = 50 * time.Millisecond

func init() { roles["fal auth login"] = playLogin }

// falLogin is the CLI, one login after the other.
type falLogin struct {
	home, issuer, journal string
	order                 testkit.Order
}

// playLogin obeys: each line is a refresh token that the issuer has just granted.
// It answers with how the CLI's own refresh ended.
func playLogin() error {
	c := &falLogin{os.Getenv("FALCRED_TEST_HOME"), os.Getenv("FALCRED_TEST_ISSUER"), os.Getenv("FALCRED_TEST_JOURNAL"), testkit.Order(os.Getenv("FALCRED_TEST_ORDER"))}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		end, err := c.login(lines.Text())
		if err != nil {
			return err
		}
		fmt.Println(end)
	}
	return nil
}

func (c *falLogin) login(refresh string) (end string, err error) {
	unlock, err := c.lock()
	if err != nil {
		return "", err
	}
	c.write(refresh)
	unlock()
	dawdle()
	if unlock, err = c.lock(); err != nil {
		return "", err
	}
	end = c.accessToken()
	unlock()
	dawdle() // the person chooses a team; then the program ends
	(&testkit.Portalocker{Path: c.lockPath(), Order: c.order}).Release()
	return end, nil
}

// dawdle is the time until its next one.
func dawdle() { time.Sleep(rand.N(loginSpread)) }

func (c *falLogin) lockPath() string { return filepath.Join(c.home, tokenfile.LockName) }

// lock is TemporaryFileLock, as the CLI uses it.
func (c *falLogin) lock() (unlock func(), err error) {
	lock := &testkit.Portalocker{Path: c.lockPath(), Order: c.order}
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(250 * time.Millisecond) {
		if held, err := lock.Try(); held || err != nil {
			return lock.Release, err
		}
	}
	return nil, errors.New("it gave up the lock")
}

// accessToken is _fetch_access_token of fal/auth/__init__.py.
func (c *falLogin) accessToken() (end string) {
	read := time.Now()
	data, _ := os.ReadFile(c.tokenPath())
	lines := strings.Split(string(data), "\n")
	if lines[0] == "" {
		return "no login"
	}
	if t := tokenfile.Dated(tokenfile.TokenPair{Access: lines[len(lines)-1]}, read); len(lines) > 1 && clock.Remaining(t.Expires, read) > 30*time.Minute {
		return "fresh"
	}
	fresh, err := c.refresh(lines[0], read)
	if err != nil {
		c.note("deletes", lines[0])
		os.Remove(c.tokenPath())
		c.note("deleted", lines[0])
		return "refused"
	}
	c.write(fresh.Refresh, fresh.Access)
	return "refreshed"
}

// refresh sends the token, and then has the keys to judge the ID token by.
func (c *falLogin) refresh(refresh string, read time.Time) (p tokenfile.TokenPair, err error) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {"test-client"}, "refresh_token": {refresh}}
	req, err := http.NewRequest(http.MethodPost, c.issuer+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return tokenfile.TokenPair{}, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", fmt.Sprintf("fal-cli/1 read/%.6f", float64(read.UnixMicro())/1e6))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return tokenfile.TokenPair{}, err
	}
	defer resp.Body.Close()
	var got struct {
		Refresh string `json:"refresh_token"`
		Access  string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || resp.StatusCode != http.StatusOK {
		return tokenfile.TokenPair{}, fmt.Errorf("status %d: %w", resp.StatusCode, err)
	}
	keys, err := http.Get(c.issuer + "/.well-known/jwks.json")
	if err != nil {
		return tokenfile.TokenPair{}, err
	}
	defer keys.Body.Close()
	io.Copy(io.Discard, keys.Body)
	return tokenfile.TokenPair{Refresh: got.Refresh, Access: got.Access}, nil
}

func (c *falLogin) tokenPath() string { return filepath.Join(c.home, env.TokenFile) }

// write is in place, with the umask's mode.
func (c *falLogin) write(lines ...string) {
	os.WriteFile(c.tokenPath(), []byte(strings.Join(lines, "\n")), 0o644)
	c.note("wrote", lines[0])
}

// note is for the judge: see storm_blame_test.go.
func (c *falLogin) note(what, token string) {
	file, err := os.OpenFile(c.journal, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return
	}
	defer file.Close()
	sum := sha256.Sum256([]byte(token))
	fmt.Fprintf(file, "%.6f fal-cli/1 %s %s\n", float64(time.Now().UnixMicro())/1e6, what, hex.EncodeToString(sum[:]))
}

// besides is one login with one CLI beside it, and what became of the logins.
type besides struct {
	*world
	issuer  string
	journal string
	cli     io.Writer
	said    *bufio.Scanner

	requests []idp.Request
	alive    int
	ends     map[string]int
	reuses   map[string]int // by whose request met a consumed token
	caused   map[string]int // by whose fault it was
	why      map[string]int
}

// besideLogins has that many logins made by cli, which obeys as playLogin does.
func besideLogins(t *testing.T, what string, overlap time.Duration, rounds int, cli func(*besides) *exec.Cmd) *besides {
	t.Helper()
	server := testkit.StartIssuer(t, idp.Config{Overlap: overlap, Lifetime: 2 * time.Hour})
	b := &besides{world: onRealClock(t, server.Provider, server.URL, nil), issuer: server.URL, journal: filepath.Join(t.TempDir(), "journal"),
		ends: map[string]int{}, reuses: map[string]int{}, caused: map[string]int{}, why: map[string]int{}}
	cmd := cli(b)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.cli, b.said = in, bufio.NewScanner(out)
	cmd.Stderr = b.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for i := range rounds {
		b.round(i)
	}
	in.Close()
	t.Logf("%s, overlap %v, %d logins: %d alive at the end; the CLI's own refreshes: %v; consumed tokens sent by %v, caused by %v %v",
		what, overlap, rounds, b.alive, b.ends, b.reuses, b.caused, b.why)
	return b
}

// standIn is the CLI as the test binary plays it, with that lock.
func standIn(order testkit.Order) func(*besides) *exec.Cmd {
	return func(b *besides) *exec.Cmd {
		return testkit.Role("fal auth login", "FALCRED_TEST_ORDER="+string(order),
			"FALCRED_TEST_HOME="+b.home, "FALCRED_TEST_ISSUER="+b.issuer, "FALCRED_TEST_JOURNAL="+b.journal)
	}
}

// round is one login: every other one over the one before, the others after a
// logout.
func (b *besides) round(i int) {
	b.Helper()
	if i%2 == 0 {
		os.Remove(b.path)
		b.until("the logout is noticed", func() bool { return b.Snapshot().Status().State == protocol.StateLoggedOut })
	}
	slow := idp.Fault{Before: idp.For(rand.N(loginSpread)), After: idp.For(rand.N(loginSpread))}
	b.idp.SetFault(&slow)
	refresh, _, _ := b.idp.Login("ann")
	fmt.Fprintln(b.cli, refresh)
	if !b.said.Scan() {
		b.Fatal("the CLI died")
	}
	b.ends[b.said.Text()]++
	// Long after it a client asks; then the owner has done what it wanted to.
	got, err := b.get()
	if p, parsed := tokenfile.Parse(b.content()); err == nil && parsed == nil && b.idp.Alive(p.Refresh) && string(got.Secret) == p.Access {
		b.alive++
	}
	b.judge()
}

func (b *besides) content() []byte {
	data, _ := os.ReadFile(b.path)
	return data
}

// judge looks at the requests of this round.
func (b *besides) judge() {
	known := len(b.requests)
	for _, r := range b.idp.Requests() {
		if r.Number > known {
			b.requests = append(b.requests, r)
		}
	}
	for _, r := range b.requests[known:] {
		if r.Outcome == "reuse detected" || r.Outcome == "replayed" {
			e := evidence{b.requests, readJournal(b.T, b.journal), savedTimes(b.log.String())}
			who, why := e.blame(r)
			b.reuses[agentOf(r)]++
			b.caused[who]++
			b.why[who+" "+why]++
		}
	}
}

// wantInnocent: it was not falcred's fault, whatever the CLI did, and the logins that
// a lock protects are alive. Where there is none, all but a few: a machine that stands
// still for a second is too much for any grace.
func (b *besides) wantInnocent(order testkit.Order, rounds int) {
	b.Helper()
	want := rounds
	if order == testkit.NoLock {
		want -= max(rounds/20, 2)
	}
	if b.alive < want {
		b.Errorf("%d of %d logins are alive, want %d\n%s", b.alive, rounds, want, tail(b.log.String()))
	}
	if b.caused[falcredItself] != 0 {
		b.Errorf("falcred has caused %d reuses: %v\n%s", b.caused[falcredItself], b.why, tail(b.log.String()))
	}
}

// F1, F3, F5: `fal auth login` beside the daemon.
func TestF3FalAuthLogin(t *testing.T) {
	for _, order := range []testkit.Order{testkit.UnlinksAfter, testkit.UnlinksHeld, testkit.NoLock} {
		t.Run(string(order), func(t *testing.T) {
			t.Parallel()
			besideLogins(t, string(order), 0, 10, standIn(order)).wantInnocent(order, 10)
		})
	}
}
