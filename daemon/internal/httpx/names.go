package httpx

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// LookupTimeout is the longest that the lookup of a host name takes. It is a time of its
// own: a system's resolver gives each nameserver 5 s (resolv.conf(5)), which is more than
// a whole connection has. Who waits for a lookup may leave; it goes on, and whoever asks
// next finds what came of it.
const LookupTimeout = 15 * time.Second

const (
	// namesKept is how long addresses are remembered: from before the lock is taken, for
	// which a rotation waits 25 s at most, to the end of the hold.
	namesKept = time.Minute
	// hasteAfter is when a lookup is taken for one that meets a silent nameserver, and
	// hastyTry how long each then has. Those that are slow, and not silent, answer the
	// system's own tries, which go on.
	hasteAfter = 500 * time.Millisecond
	hastyTry   = time.Second
)

// names looks host names up, and remembers for a while what came of it. It may be used by
// several goroutines at once.
type names struct {
	system, hasty net.Resolver
	dial          func(ctx context.Context, network, server string) (net.Conn, error)

	mu    sync.Mutex // guards what follows
	known map[string]*lookup
	heard map[string]bool // the nameservers that were asked, and whether one has answered
}

// lookup is one that is under way, or has succeeded.
type lookup struct {
	done  chan struct{} // closed when the rest is known
	addrs []netip.Addr
	err   error
	until time.Time
}

// over says that what came of a lookup is not to be remembered any more.
func (l *lookup) over(now time.Time) bool {
	select {
	case <-l.done:
		return !now.Before(l.until)
	default:
		return false
	}
}

// newNames asks the system's resolver. On Linux that is Go's own, for nameservers of
// /etc/resolv.conf; elsewhere dial and haste are not used.
func newNames() *names {
	n := &names{dial: (&net.Dialer{}).DialContext, known: map[string]*lookup{}, heard: map[string]bool{}}
	n.system.Dial = func(ctx context.Context, network, server string) (net.Conn, error) {
		return n.ask(ctx, network, server, 0)
	}
	n.hasty.Dial = func(ctx context.Context, network, server string) (net.Conn, error) {
		return n.ask(ctx, network, server, hastyTry)
	}
	return n
}

// find waits for the addresses of a host, the best first (RFC 6724), until ctx ends. anew
// does without those that are remembered.
func (n *names) find(ctx context.Context, host string, anew bool) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	l := n.lookup(host, anew)
	select {
	case <-l.done:
		return l.addrs, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lookup is the one that is under way or, unless anew, remembered; else a new one.
func (n *names) lookup(host string, anew bool) *lookup {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.known[host]; l != nil {
		select {
		case <-l.done:
			if !anew && time.Now().Before(l.until) {
				return l
			}
		default:
			return l
		}
	}
	maps.DeleteFunc(n.known, func(_ string, l *lookup) bool { return l.over(time.Now()) })
	l := &lookup{done: make(chan struct{})}
	n.known[host] = l
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), LookupTimeout)
		defer cancel()
		l.addrs, l.err = n.resolve(ctx, host)
		l.until = time.Now().Add(namesKept)
		close(l.done)
		if l.err != nil {
			n.forget(host)
		}
	}()
	return l
}

// forget has the next one look a host up again: there is none, or nobody answers there.
func (n *names) forget(host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, host)
}

// resolve asks as the system does, and beside that in haste where it takes long.
func (n *names) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	type result struct {
		addrs []netip.Addr
		err   error
	}
	results := make(chan result, 2)
	ask := func(r *net.Resolver) {
		addrs, err := r.LookupNetIP(ctx, "ip", host)
		results <- result{addrs, err}
	}
	go ask(&n.system)
	haste := time.NewTimer(hasteAfter)
	defer haste.Stop()
	for asking := 1; ; {
		select {
		case <-haste.C:
			asking++
			go ask(&n.hasty)
		case r := <-results:
			var dns *net.DNSError
			asking--
			if r.err == nil || asking == 0 || errors.As(r.err, &dns) && dns.IsNotFound {
				return r.addrs, r.err
			}
		}
	}
}

// ask is a connection to a nameserver on which a try takes no longer than limit, 0 for
// no limit. One of packets has to stay one: net's resolver looks for that.
func (n *names) ask(ctx context.Context, network, server string, limit time.Duration) (net.Conn, error) {
	n.hear(server, false)
	conn, err := n.dial(ctx, network, server)
	if err != nil {
		return nil, err
	}
	q := question{conn, n, server, limit}
	if packets, ok := conn.(net.PacketConn); ok {
		return packetQuestion{q, packets}, nil
	}
	return q, nil
}

func (n *names) hear(server string, answered bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.heard[server] = n.heard[server] || answered
}

// silent are the nameservers that were asked and have never answered.
func (n *names) silent() (addresses []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for server, answered := range n.heard {
		if host, _, err := net.SplitHostPort(server); err == nil && !answered {
			addresses = append(addresses, host)
		}
	}
	slices.Sort(addresses)
	return addresses
}

// question is one to a nameserver.
type question struct {
	net.Conn
	names  *names
	server string
	limit  time.Duration
}

func (q question) SetDeadline(t time.Time) error {
	if soon := time.Now().Add(q.limit); q.limit != 0 && soon.Before(t) {
		t = soon
	}
	return q.Conn.SetDeadline(t)
}

func (q question) Read(b []byte) (int, error) {
	size, err := q.Conn.Read(b)
	if err == nil {
		q.names.hear(q.server, true)
	}
	return size, err
}

// packetQuestion is one over UDP.
type packetQuestion struct {
	question
	packets net.PacketConn
}

func (q packetQuestion) ReadFrom(b []byte) (int, net.Addr, error)   { return q.packets.ReadFrom(b) }
func (q packetQuestion) WriteTo(b []byte, to net.Addr) (int, error) { return q.packets.WriteTo(b, to) }
