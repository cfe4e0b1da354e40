package helper

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
)

// maxIdle is how many connections wait for the next request. A program that
// asks often asks from a few goroutines; more are opened and closed as needed.
const maxIdle = 4

// ErrNotRunning says that no daemon answers at any of the sockets. It is
// unavailable, not not_found: with a daemon there may well be a credential. Where
// falcred does not serve at all it is [peer.ErrNotServed].
var ErrNotRunning = notRunning()

func notRunning() *protocol.Error {
	if !peer.Serves {
		return peer.ErrNotServed
	}
	return protocol.Errorf(protocol.CodeUnavailable, "falcred is not running\nhave it run: falcred service install, or falcred run in a container; or set FAL_KEY")
}

// Client talks to the daemon. It is safe for concurrent use: each request in
// flight has a connection of its own, so a slow answer delays no other. [New]
// makes one that knows the environment; &Client{Socket: path} knows none.
//
// What a daemon says is [protocol.Printable]. A request ends when its context does, and
// before that where the daemon is stopped or hangs: what it promises to answer at once is
// waited for 5 s (list, status, version, stop); while a credential, store or erase is waited
// for, it is asked for its version beside that, after 2 s and again and again.
type Client struct {
	// Socket is the path of the daemon's socket. When empty, [env.Sockets] says where to
	// look. It must not change after the first request.
	Socket string

	lookup     func(string) (string, bool)
	servers    env.Servers
	serversErr error // FALCRED_SERVERS or a fal host variable is wrong
	others     []int // FALCRED_ALLOW_UIDS: whose daemons are read from, besides our own (S7)
	othersErr  error

	mu     sync.Mutex
	idle   []*conn // guarded by mu; the most recently used is last
	closed bool    // guarded by mu
}

// New makes a Client that finds the daemon, the servers and the keys by the
// variables that lookup knows, as os.LookupEnv does. It connects at the first
// request.
func New(lookup func(string) (string, bool)) *Client {
	c := &Client{lookup: lookup}
	c.servers, c.serversErr = env.NewServers(c.getenv)
	c.others, c.othersErr = env.AllowUIDs(c.getenv)
	return c
}

// variable is lookup, for a Client that was given none.
func (c *Client) variable(name string) (string, bool) {
	if c.lookup == nil {
		return "", false
	}
	return c.lookup(name)
}

func (c *Client) getenv(name string) string {
	value, _ := c.variable(name)
	return value
}

// Serves reports whether [Client.Get] answers for that server at all: an address
// of fal's, or one that this end's environment names.
func (c *Client) Serves(serverURL string) bool { return c.servers.Match(serverURL) }

// fromDaemon asks the daemon for a credential.
func (c *Client) fromDaemon(ctx context.Context, q protocol.Query) (protocol.Credential, error) {
	payload, err := q.Payload()
	if err != nil {
		return protocol.Credential{}, err
	}
	var cred protocol.Credential
	err = c.ask(ctx, protocol.Request{Verb: protocol.VerbGet, Payload: payload}, &cred)
	if e := (*protocol.Error)(nil); q.Team != nil && errors.As(err, &e) && e.Code == protocol.CodeDenied {
		return protocol.Credential{}, errOwnersTeam
	}
	if err != nil {
		return protocol.Credential{}, err
	}
	return fromOther(cred)
}

// List asks which servers there is a credential for, and of which kind.
func (c *Client) List(ctx context.Context) (map[string]string, error) {
	var list map[string]string
	err := c.ask(ctx, protocol.Request{Verb: protocol.VerbList}, &list)
	return list, err
}

// Status asks for the daemon's state.
func (c *Client) Status(ctx context.Context) (protocol.Status, error) {
	var status protocol.Status
	err := c.ask(ctx, protocol.Request{Verb: protocol.VerbStatus}, &status)
	status.Home = protocol.Printable(status.Home)
	return status, err
}

// Version asks for the daemon's version.
func (c *Client) Version(ctx context.Context) (protocol.VersionAnswer, error) {
	var version protocol.VersionAnswer
	err := c.ask(ctx, protocol.Request{Verb: protocol.VerbVersion}, &version)
	return version, err
}

// Store gives the daemon a refresh token as the login.
func (c *Client) Store(ctx context.Context, l protocol.Login) error {
	payload, err := l.Payload()
	if err != nil {
		return err
	}
	return c.once(ctx, protocol.Request{Verb: protocol.VerbStore, Payload: payload}, nil)
}

// Erase logs out of q.ServerURL; q.Local leaves the issuer out.
func (c *Client) Erase(ctx context.Context, q protocol.Query) (protocol.EraseAnswer, error) {
	var done protocol.EraseAnswer
	payload, err := protocol.Query{ServerURL: q.ServerURL, Local: q.Local}.Payload()
	if err != nil {
		return done, err
	}
	err = c.once(ctx, protocol.Request{Verb: protocol.VerbErase, Payload: payload}, &done)
	if errors.Is(err, protocol.ErrNotFound) {
		err = ErrNobody
	}
	return done, err
}

// End has the daemon end, as SIGTERM does, and says which one, as far as that could still say: both are
// asked on one connection, since a daemon can make way for its upgrade at any moment. It returns when the
// daemon has begun to end: the socket is about to go, and a refresh under way is finished first.
func (c *Client) End(ctx context.Context) (protocol.Status, error) {
	c.dropIdle()
	status, err := c.endOnce(ctx)
	if err != nil && status.PID == 0 && ctx.Err() == nil && !errors.As(err, new(*protocol.Error)) { // it has just made way: the next one is meant
		status, err = c.endOnce(ctx)
	}
	if err != nil {
		err = brokenOff(ctx, err)
	}
	return status, err
}

func (c *Client) endOnce(ctx context.Context) (status protocol.Status, err error) {
	cn, err := c.dial(ctx)
	if err != nil {
		return status, err
	}
	defer cn.Close()
	answer, err := cn.exchange(ctx, protocol.VerbStatus, []byte(protocol.VerbStatus+"\n"))
	if err == nil {
		err = protocol.ParseAnswer(answer, &status)
	}
	if err != nil {
		return status, err
	}
	if answer, err = cn.exchange(ctx, protocol.VerbStop, []byte(protocol.VerbStop+"\n")); err != nil {
		return status, mayBeDone(brokenOff(ctx, err))
	}
	return status, protocol.ParseAnswer(answer, nil)
}

// Connect connects to the daemon, if there is one, and keeps the connection for the next
// request. It asks nothing, and takes the daemons of our own user and root only.
func (c *Client) Connect(ctx context.Context) error {
	cn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	c.give(cn)
	return nil
}

// Close closes the idle connections. Requests in flight end by themselves.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.drop()
	return nil
}

// dying is longer than a daemon takes connections that is being killed: its clients know it
// before its listener is closed.
const dying = 20 * time.Millisecond

// ask sends a request that may be repeated. A connection that ends before its
// answer is most likely one that a restarted daemon left behind, so the request
// goes out once more on a fresh one, and the other idle ones are given up. The fresh one may be
// to the same daemon in the moment of its death.
func (c *Client) ask(ctx context.Context, r protocol.Request, v any) error {
	line, err := r.Append(nil)
	if err != nil {
		return err
	}
	cn, err := c.take(ctx)
	if err != nil {
		return err
	}
	answer, err := cn.exchange(ctx, r.Verb, line)
	for _, wait := range []time.Duration{0, dying} {
		if err == nil || ctx.Err() != nil || errors.As(err, new(*protocol.Error)) {
			break
		}
		cn.Close()
		c.dropIdle()
		pause(ctx, wait)
		if cn, err = c.dial(ctx, c.others...); err != nil {
			return err
		}
		answer, err = cn.exchange(ctx, r.Verb, line)
	}
	if err != nil {
		cn.Close()
		return brokenOff(ctx, err)
	}
	c.give(cn)
	return protocol.ParseAnswer(answer, v)
}

// once sends a request that must not be repeated, on a connection that cannot
// be a stale one: whether a lost store or erase happened, nobody knows.
func (c *Client) once(ctx context.Context, r protocol.Request, v any) error {
	line, err := r.Append(nil)
	if err != nil {
		return err
	}
	cn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	answer, err := cn.exchange(ctx, r.Verb, line)
	if err != nil {
		cn.Close()
		return mayBeDone(brokenOff(ctx, err))
	}
	c.give(cn)
	return protocol.ParseAnswer(answer, v)
}

// take prefers the connection used last; the others may fall asleep and die.
func (c *Client) take(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		cn := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		return cn, nil
	}
	c.mu.Unlock()
	return c.dial(ctx, c.others...)
}

// give keeps cn for the next request, unless something is left on it: an answer
// that belongs to nobody would be taken for the next one.
func (c *Client) give(cn *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || cn.spoilt || cn.in.Buffered() || len(c.idle) >= maxIdle {
		cn.Close()
		return
	}
	c.idle = append(c.idle, cn)
}

func (c *Client) dropIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
}

// drop needs mu.
func (c *Client) drop() {
	for _, cn := range c.idle {
		cn.Close()
	}
	c.idle = nil
}

// brokenOff is what became of a request without an answer. A connection that ends so is a
// daemon's end, mostly, and says nothing more; any other cause is named.
func brokenOff(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, protocol.ErrTooLong):
		return protocol.Errorf(protocol.CodeInternal, "falcred's answer is too long")
	case errors.As(err, new(*protocol.Error)):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return protocol.Errorf(protocol.CodeUnavailable,
			"falcred closed the connection before it answered\nsee: falcred status")
	}
	return protocol.Errorf(protocol.CodeUnavailable, "the connection to falcred broke before it answered: %v\nsee: falcred status", cause(err))
}
