package httpx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// nameserver answers a question for an A record after that time, and one for another kind with
// nothing. Silent ones never do.
type nameserver struct {
	silent bool
	after  time.Duration
	rcode  byte // RFC 1035 §4.1.1
}

// nameservers are those of a test: a resolver's first try of a question goes to the first
// of them, the next one to the second, whatever resolv.conf this machine has, and to one address.
type nameservers struct {
	servers []nameserver

	mu    sync.Mutex // guards tries
	tries map[string]int
}

func (s *nameservers) names() *names {
	n := newNames()
	n.system.PreferGo, n.hasty.PreferGo = true, true
	n.dial = func(_ context.Context, network, _ string) (net.Conn, error) {
		return &datagrams{servers: s, answers: make(chan []byte, 1)}, nil
	}
	n.system.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return n.ask(ctx, network, "192.0.2.53:53", 0)
	}
	n.hasty.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return n.ask(ctx, network, "192.0.2.53:53", hastyTry)
	}
	return n
}

func (s *nameservers) asked() (questions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.tries {
		questions += n
	}
	return questions
}

func (s *nameservers) next(try string) nameserver {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tries[try]++
	return s.servers[min(s.tries[try], len(s.servers))-1]
}

// datagrams is a connected UDP socket, in memory.
type datagrams struct {
	net.PacketConn
	servers  *nameservers
	deadline time.Time
	answers  chan []byte
}

func (d *datagrams) SetDeadline(t time.Time) error { d.deadline = t; return nil }
func (d *datagrams) RemoteAddr() net.Addr          { return &net.UDPAddr{} }
func (d *datagrams) Close() error                  { return nil }

func (d *datagrams) Write(question []byte) (int, error) {
	haste := time.Until(d.deadline) <= hastyTry
	server := d.servers.next(fmt.Sprint(haste, question[12:]))
	if answer := server.reply(question); !server.silent {
		time.AfterFunc(server.after, func() { d.answers <- answer })
	}
	return len(question), nil
}

func (d *datagrams) Read(b []byte) (int, error) {
	select {
	case answer := <-d.answers:
		return copy(b, answer), nil
	case <-time.After(time.Until(d.deadline)):
		return 0, &net.OpError{Op: "read", Net: "udp", Err: os.ErrDeadlineExceeded}
	}
}

// reply is an answer to a packet's one question (RFC 1035 §4.1).
func (s nameserver) reply(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root label, type and class
	answer := slices.Clone(question[:end])
	answer[2], answer[3] = 0x85, 0x80|s.rcode // authoritative, and recursion is to be had
	copy(answer[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})
	if answer[end-3] == 1 && s.rcode == 0 {
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1)
	}
	return answer
}

// outside makes, outside of any bubble, what net makes at its first lookup.
func outside() {
	r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nobody") }}
	r.LookupHost(context.Background(), rooted)
}

const rooted = "issuer.example.com." // no search list lengthens its lookup

// R7: a nameserver that is silent costs a lookup a moment, one that is slow what it
// takes, and no lookup takes longer than its limit.
func TestR7LookupPassesSilentServers(t *testing.T) {
	outside()
	good, slow, silent := nameserver{}, nameserver{after: 3 * time.Second}, nameserver{silent: true}
	for name, c := range map[string]struct {
		servers   []nameserver
		took      time.Duration // 0 with an error: LookupTimeout at most
		questions int           // 0: as many as it takes
		err       string
	}{
		"a good one":           {servers: []nameserver{good}, questions: 2},
		"a slow one":           {servers: []nameserver{slow}, took: 3 * time.Second},
		"silent, then good":    {servers: []nameserver{silent, good}, took: hasteAfter + hastyTry},
		"silent, then slow":    {servers: []nameserver{silent, slow}, took: 8 * time.Second},
		"broken, then good":    {servers: []nameserver{{rcode: 2}, good}},
		"refusing, then good":  {servers: []nameserver{{rcode: 5}, good}},
		"no such name":         {servers: []nameserver{{rcode: 3}}, questions: 2, err: "its host name cannot be resolved"},
		"all of them silent":   {servers: []nameserver{silent}, err: "its host name cannot be resolved: no nameserver answers"},
		"one of them refusing": {servers: []nameserver{{rcode: 5}}, err: "its host name cannot be resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &nameservers{servers: c.servers, tries: map[string]int{}}
				n, begun := s.names(), time.Now()
				addrs, err := n.find(t.Context(), rooted, false)
				took := time.Since(begun)
				if c.err == "" && (err != nil || !slices.Equal(addrs, []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})})) {
					t.Errorf("%v, %v", addrs, err)
				}
				if c.err != "" && (err == nil || Describe(err) != c.err) {
					t.Errorf("%v is called %q, want %q", err, Describe(err), c.err)
				}
				if took != c.took && (c.err == "" || took > LookupTimeout) {
					t.Errorf("it took %v, want %v", took, c.took)
				}
				if q := s.asked(); c.questions != 0 && q != c.questions {
					t.Errorf("%d questions, want %d", q, c.questions)
				}
				if silent := n.silent(); (len(silent) != 0) != (c.err != "" && c.servers[0].silent) {
					t.Errorf("silent are %q", silent)
				}
				time.Sleep(2 * LookupTimeout) // of the bubble's clock: tries that nobody waits for end
			})
		})
	}
}

// R7: who waits for a lookup may leave. It goes on, and is remembered for a minute, unless
// nobody answers at what it found.
func TestR7LookupOutlivesWhoAsked(t *testing.T) {
	outside()
	synctest.Test(t, func(t *testing.T) {
		s := &nameservers{servers: []nameserver{{silent: true}, {after: 3 * time.Second}}, tries: map[string]int{}}
		n := s.names()
		ctx, cancel := context.WithTimeout(t.Context(), ConnectTimeout)
		defer cancel()
		if _, err := n.find(ctx, rooted, false); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := n.find(t.Context(), rooted, false); err != nil || time.Since(begun) != 8*time.Second-ConnectTimeout {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		s.servers = []nameserver{{}} // no bubble's goroutine asks now
		asks := func(what string, want bool) {
			t.Helper()
			before := s.asked()
			if _, err := n.find(t.Context(), rooted, false); err != nil {
				t.Error(err)
			}
			if asked := s.asked() != before; asked != want {
				t.Errorf("%s: asked again is %v", what, asked)
			}
		}
		time.Sleep(namesKept - time.Second)
		asks("within a minute", false)
		time.Sleep(time.Second)
		asks("after a minute", true)
		asks("at once", false)
		before := s.asked()
		if _, err := n.find(t.Context(), rooted, true); err != nil || s.asked() == before {
			t.Errorf("anew: %v, %d questions", err, s.asked()-before)
		}
		n.forget(rooted)
		asks("forgotten", true)
		time.Sleep(2 * LookupTimeout)
	})
}
