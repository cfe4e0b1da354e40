package httpx

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// headStart is what each address has before the next one is tried beside it
// (RFC 8305 §5): 16 of them are tried within ConnectTimeout.
const headStart = 250 * time.Millisecond

// dial connects to the host of an address within ConnectTimeout, beside what the lookup of
// its name takes.
func (t *Transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	trip := tripOf(ctx)
	trip.reach(resolving)
	addrs, err := t.names.find(ctx, host, false)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	trip.reach(dialling)
	ctx, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	conn, err := race(ctx, interleave(addrs), func(ctx context.Context, addr netip.Addr) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort(addr.String(), port))
	})
	if err != nil {
		t.names.forget(host)
		return nil, err
	}
	trip.reach(connected)
	return conn, nil
}

// interleave alternates between the families, the better one first, each in its order
// (RFC 8305 §4): one that leads nowhere, whatever number of addresses it has, costs the
// other a moment.
func interleave(addrs []netip.Addr) []netip.Addr {
	var families [2][]netip.Addr
	for _, addr := range addrs {
		i := 0
		if addr.Unmap().Is4() != addrs[0].Unmap().Is4() {
			i = 1
		}
		families[i] = append(families[i], addr)
	}
	mixed := make([]netip.Addr, 0, len(addrs))
	for i := range max(len(families[0]), len(families[1])) {
		for _, family := range families {
			if i < len(family) {
				mixed = append(mixed, family[i])
			}
		}
	}
	return mixed
}

// race tries one address after the other, each when its predecessor has had its head
// start or has failed, and takes the first connection. net.Dialer, which waits 2 s for
// each of a family, reaches no third within ConnectTimeout. The error is of the address that
// failed first.
func race(ctx context.Context, addrs []netip.Addr, dial func(context.Context, netip.Addr) (net.Conn, error)) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // of those that are under way
	results, left := make(chan result), make(chan struct{})
	defer close(left)
	try := func(addr netip.Addr) {
		conn, err := dial(ctx, addr)
		select {
		case results <- result{conn, err}:
		case <-left:
			if err == nil {
				conn.Close()
			}
		}
	}
	due := time.NewTimer(0)
	defer due.Stop()
	var first error
	for begun, failed := 0, 0; failed < len(addrs); {
		select {
		case <-due.C:
			if begun < len(addrs) {
				go try(addrs[begun])
				begun++
				due.Reset(headStart)
			}
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			if failed++; first == nil {
				first = r.err
			}
			due.Reset(0)
		}
	}
	return nil, first
}
