package login

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

const testIssuer = "http://127.0.0.1:9999"

// world is one home, its issuer and its owner, in a bubble.
type world struct {
	*testing.T
	idp  *idp.Provider
	net  *testkit.MemoryNet
	home string
	path string
	log  *testkit.LogBuffer
	*Manager
	stop            context.CancelFunc
	onChangeCommand string
	handler         slog.Handler // of what is logged; nil: text, into log
	notify          bool

	keys   *gate                             // what a request for the issuer's keys meets
	keySet *atomic.Pointer[http.HandlerFunc] // answers it in the issuer's place
	asked  *atomic.Int32                     // how often the keys were asked for

	clientID string                                                        // "test-client" where it is not another
	front    func(rw http.ResponseWriter, r *http.Request) (answered bool) // may stand before the issuer
	gateway  *atomic.Pointer[http.HandlerFunc]                             // answers everything in the issuer's place (R8)

	mute *atomic.Bool // for a front's use

	noRevocation bool // the issuer's discovery names no endpoint for it

	strays *atomic.Int32 // requests for another host than the issuer's (R13)
}

// gate holds the first who comes until a test lets it go on.
type gate struct {
	taken            atomic.Bool
	arrived, release chan struct{}
}

func newGate() *gate { return &gate{arrived: make(chan struct{}), release: make(chan struct{})} }

// ServeHTTP is the issuer, behind the gate.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Host != strings.TrimPrefix(testIssuer, "http://") {
		w.strays.Add(1)
		http.NotFound(rw, r)
		return
	}
	if between := w.gateway.Load(); between != nil {
		between.ServeHTTP(rw, r)
		return
	}
	if w.front != nil && w.front(rw, r) {
		return
	}
	if strings.HasSuffix(r.URL.Path, "jwks.json") {
		w.asked.Add(1)
		if w.keys != nil && !w.keys.taken.Swap(true) {
			w.keys.arrived <- struct{}{}
			<-w.keys.release
		}
		if answer := w.keySet.Load(); answer != nil {
			(*answer)(rw, r)
			return
		}
	}
	if w.noRevocation && strings.HasSuffix(r.URL.Path, "openid-configuration") {
		w.discoveryWithoutRevocation(rw, r)
		return
	}
	w.idp.ServeHTTP(rw, r)
}

func (w *world) discoveryWithoutRevocation(rw http.ResponseWriter, r *http.Request) {
	whole := httptest.NewRecorder()
	w.idp.ServeHTTP(whole, r)
	document := map[string]any{}
	if err := json.Unmarshal(whole.Body.Bytes(), &document); err != nil || document["revocation_endpoint"] == nil {
		w.Errorf("the discovery document: %v", err)
	}
	delete(document, "revocation_endpoint")
	rw.Header().Set("Content-Type", "application/json")
	json.NewEncoder(rw).Encode(document)
}

// manyDays leaves a test out in wine, where a look at the files takes 20 ms: one of many virtual
// hours, which are about no system.
func manyDays(t testing.TB) {
	t.Helper()
	testkit.InWine(t, "it has more virtual hours than wine has time for")
}

// hours is so many of them; in wine, where [manyDays] would leave a test out, no more than two: the
// rest of them would show the same.
func hours(n time.Duration) time.Duration {
	if testkit.Wine() {
		n = min(n, 2)
	}
	return n * time.Hour
}

// inBubble runs f on the fake clock, with a home that holds nothing yet and a
// daemon that has not started.
func inBubble(t *testing.T, cfg idp.Config, f func(w *world)) {
	t.Helper()
	home := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		p, err := idp.New(testIssuer, cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := &world{T: t, idp: p, net: testkit.NewMemoryNet(httpx.ConnectTimeout + time.Second), home: home, log: &testkit.LogBuffer{}, strays: new(atomic.Int32), mute: new(atomic.Bool), asked: new(atomic.Int32), keySet: new(atomic.Pointer[http.HandlerFunc]), gateway: new(atomic.Pointer[http.HandlerFunc])}
		w.path = filepath.Join(home, env.TokenFile)
		server := &http.Server{Handler: w}
		go server.Serve(w.net)
		defer func() {
			if w.Manager != nil {
				w.kill()
			}
			time.Sleep(2 * httpx.ConnectTimeout) // dials that nobody waits for any more
			server.Close()
		}()
		f(w)
	})
}

// start starts an owner without files' events and without a socket: what the
// bubble's clock does to it is all that happens.
func (w *world) start() {
	w.Helper()
	w.open()
	w.run()
}

func (w *world) run() {
	m := w.Manager
	w.work.Go(func() { (&schedule{m: m, alarm: clock.Plain()}).run() })
	w.settle()
}

// open is an owner whose schedule does not run, as `falcred logout` is one.
func (w *world) open() {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	if w.handler == nil {
		w.handler = slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})
	}
	m, err := Open(ctx, w.config(), slog.New(w.handler))
	if err != nil {
		w.Fatal(err)
	}
	w.Manager, w.stop = m, cancel
}

func (w *world) config() Config {
	w.Helper()
	transport := httpx.NewTransport()
	transport.DialContext = w.net.Dial
	return Config{
		Home: w.home, Issuer: testIssuer, ClientID: cmp.Or(w.clientID, "test-client"), Servers: testkit.FalServers(),
		FalConfig: fal.Config{Path: filepath.Join(w.home, "config.toml")}, REST: testIssuer,
		OnChange: w.onChangeCommand, Notify: w.notify, Transport: transport,
	}
}

// state is the login as it is now.
func (w *world) state() State { return w.Snapshot().State }

// transaction is a transaction, which must come about.
func (w *world) transaction() *transaction {
	w.Helper()
	t, err := begin(context.Background(), w.Manager, aNote)
	if err != nil {
		w.Fatal(err)
	}
	return t
}

// refresh runs one rotation to its end, as the schedule has it.
func (w *world) refresh(forced string) {
	w.Helper()
	w.mu.Lock()
	c := start(w.Manager, forced)
	w.mu.Unlock()
	<-c.done
}

// another starts a second owner of the home, which w is from then on; end ends the first.
func (w *world) another() (first *Manager, end func()) {
	w.Helper()
	first, stop := w.Manager, w.stop
	w.start()
	return first, func() { stop(); first.Close() }
}

// kill forgets the owner, as far as its goroutines can be ended.
func (w *world) kill() {
	w.stop()
	w.Manager.Close()
	w.Manager = nil
}

// settle lets everything that can run without the clock run.
func (w *world) settle() { quiet() }

// quiet gives a rename in wine, which waits while somebody reads the file, a moment of the
// bubble's clock. The reader ends before that begins.
func quiet() {
	synctest.Wait()
	if testkit.Wine() {
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
	}
}

// elapsed is the time since then, without such moments.
func elapsed(begun time.Time) time.Duration {
	if testkit.Wine() {
		return time.Since(begun).Round(10 * time.Millisecond)
	}
	return time.Since(begun)
}

// pass moves the bubble's clock.
func (w *world) pass(d time.Duration) { pass(d) }

func pass(d time.Duration) {
	time.Sleep(d) // the fake clock's: returns at once
	quiet()
}

func (w *world) write(lines ...string) {
	w.Helper()
	if err := testkit.WriteFile(w.path, strings.Join(lines, "\n")); err != nil {
		w.Fatal(err)
	}
}

// login signs in at the issuer and writes the file as `fal auth login` does.
func (w *world) signIn(sub string) (refresh string) {
	w.Helper()
	refresh, _, _ = w.idp.Login(sub)
	w.write(refresh)
	return refresh
}

// ranOut is an access token of a moment ago, which has run out.
func (w *world) ranOut(sub string) string {
	return w.idp.Mint(sub, time.Now().Add(-time.Minute), 30*time.Second)
}

func (w *world) inFile() tokenfile.TokenPair {
	w.Helper()
	data, err := os.ReadFile(w.path)
	if err != nil {
		w.Fatal(err)
	}
	p, err := tokenfile.Parse(data)
	if err != nil {
		w.Fatal(err)
	}
	return p
}

// ask is a get whose asker may leave.
func (w *world) ask(ctx context.Context, q protocol.Query) (protocol.Credential, error) {
	c, err := w.Get(ctx, q)
	if err != nil {
		return protocol.Credential{}, err
	}
	answer := c.Credential
	answer.ServerURL = q.ServerURL
	return answer, nil
}

func (w *world) get() (protocol.Credential, error) {
	return w.ask(context.Background(), protocol.Query{ServerURL: protocol.DefaultServer})
}

func (w *world) mustGet() string {
	w.Helper()
	c, err := w.get()
	if err != nil {
		w.Fatalf("get: %v\n%s", err, w.log)
	}
	return string(c.Secret)
}

func (w *world) wantCode(code protocol.Code) {
	w.Helper()
	c, err := w.get()
	var e *protocol.Error
	if !errors.As(err, &e) || e.Code != code {
		w.Fatalf("get = %v, %v; want code %s\n%s", c, err, code, w.log)
	}
}

func (w *world) wantRequests(n int, why string) {
	w.Helper()
	if got := w.idp.Stats().TokenRequests; got != n {
		w.Fatalf("%s: %d token requests, want %d\n%s", why, got, n, w.log)
	}
}

// wantAlive: the file's token would still refresh, and nothing was reused.
func (w *world) wantAlive() {
	w.Helper()
	if !w.idp.Alive(w.inFile().Refresh) {
		w.Fatalf("the login in the file is dead\n%s", w.log)
	}
	if n := w.idp.Stats().ReuseDetections; n != 0 {
		w.Fatalf("%d reuse detections\n%s", n, w.log)
	}
}

func (w *world) wantNoEntries() {
	w.Helper()
	if left := journal.Others(w.path, ""); len(left) > 0 {
		w.Fatalf("entries left behind: %v", left)
	}
}

// overwrite damages a file in place.
func overwrite(w *world, path, text string, at int64) {
	w.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		w.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt([]byte(text), at); err != nil {
		w.Fatal(err)
	}
}

// blockEntry keeps an entry from being made for a refresh token, as a full disk would, until
// unblock: what stands in its place cannot be set aside.
func blockEntry(w *world, refresh string) (unblock func()) {
	w.Helper()
	return block(w, journal.Path(w.path, refresh))
}

func block(w *world, path string) (unblock func()) {
	w.Helper()
	names := []string{path, path + ".damaged", path + ".damaged-1", path + ".damaged-2"}
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(name, "not empty"), 0o700); err != nil {
			w.Fatal(err)
		}
	}
	return func() {
		for _, name := range names {
			os.RemoveAll(name)
		}
	}
}

// offer is a store.
func (w *world) offer(refresh string) error {
	return w.Store(protocol.Login{ServerURL: protocol.DefaultServer, Username: protocol.TokenUsername, Secret: protocol.Secret(refresh)}, Client{})
}
