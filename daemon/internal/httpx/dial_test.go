package httpx

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// R7: an address that leads nowhere, and a family of them, costs a moment, and of those that
// answer too late none stays open.
func TestR7RacePassesDeadAddresses(t *testing.T) {
	const (
		dead   = "2001:db8::dead" // nothing comes back
		closed = "192.0.2.9"      // refused at once
		good   = "192.0.2.1"
		late   = "192.0.2.2" // answers after 600 ms
	)
	for name, c := range map[string]struct {
		addrs []string
		took  time.Duration
		fails bool
	}{
		"good":                        {addrs: []string{good}},
		"closed, then good":           {addrs: []string{closed, good}},
		"dead, then good":             {addrs: []string{dead, good}, took: headStart},
		"four dead ones of a family":  {addrs: []string{dead, dead, dead, dead, good}, took: headStart},
		"ten dead ones, then good":    {addrs: []string{dead, dead, dead, dead, dead, dead, dead, dead, dead, dead, "2001:db8::1"}, took: 10 * headStart},
		"late, then good":             {addrs: []string{late, good}, took: headStart},
		"late":                        {addrs: []string{late}, took: 600 * time.Millisecond},
		"closed":                      {addrs: []string{closed}, fails: true},
		"dead":                        {addrs: []string{dead, dead}, took: ConnectTimeout, fails: true},
		"dead, and the other refuses": {addrs: []string{dead, closed}, took: ConnectTimeout, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var addrs []netip.Addr
				for _, a := range c.addrs {
					addrs = append(addrs, netip.MustParseAddr(a))
				}
				var open atomic.Int32
				ctx, cancel := context.WithTimeout(t.Context(), ConnectTimeout)
				defer cancel()
				begun := time.Now()
				conn, err := race(ctx, interleave(addrs), func(ctx context.Context, addr netip.Addr) (net.Conn, error) {
					switch addr.String() {
					case dead:
						<-ctx.Done()
						return nil, ctx.Err()
					case closed:
						return nil, errors.New("refused")
					case late:
						time.Sleep(600 * time.Millisecond)
					}
					open.Add(1)
					return counted{&open}, nil
				})
				if (err != nil) != c.fails || time.Since(begun) != c.took {
					t.Errorf("%v after %v, want %v", err, time.Since(begun), c.took)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if want := map[bool]int32{false: 1}[c.fails]; open.Load() != want || (conn != nil) == c.fails {
					t.Errorf("%d connections are open, want %d; %v", open.Load(), want, conn)
				}
			})
		})
	}
}

// counted is a connection of which only the end matters.
type counted struct{ open *atomic.Int32 }

func (c counted) Close() error                     { c.open.Add(-1); return nil }
func (counted) Read([]byte) (int, error)           { return 0, net.ErrClosed }
func (counted) Write([]byte) (int, error)          { return 0, net.ErrClosed }
func (counted) LocalAddr() net.Addr                { return nil }
func (counted) RemoteAddr() net.Addr               { return nil }
func (counted) SetDeadline(time.Time) error        { return nil }
func (counted) SetReadDeadline(time.Time) error    { return nil }
func (counted) SetWriteDeadline(t time.Time) error { return nil }

// RFC 8305 §4: the families alternate, the better one first, each in its order.
func TestInterleave(t *testing.T) {
	var addrs []netip.Addr
	for _, a := range []string{"2001:db8::1", "2001:db8::2", "2001:db8::3", "192.0.2.1", "::ffff:192.0.2.2"} {
		addrs = append(addrs, netip.MustParseAddr(a))
	}
	want := []netip.Addr{addrs[0], addrs[3], addrs[1], addrs[4], addrs[2]}
	if got := interleave(addrs); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if got := interleave(nil); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
}
