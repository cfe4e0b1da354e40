//go:build linux && system

package faults

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// issuerName is resolved by the test's own DNS server alone.
const issuerName = "issuer.falcred.test"

// R9, R11: names are not resolved, in every way that happens, one after the
// other in a single outage: the valid token is served, nothing is used up, and the
// first refresh that finds the issuer succeeds. Then the same from the daemon's
// start on.
func TestDNSFails(t *testing.T) {
	t.Parallel()
	const fault = "DNS: nobody listens, no answer, SERVFAIL, NXDOMAIN, no address, in turn (network namespace)"
	needMounts(t, fault)
	table.NeedTool(t, fault, "ip")
	n := newLink(t, 1)
	s := newSceneAt(t, n.issuer(idp.Config{}, issuerName))
	s.More = []string{"SSL_CERT_FILE=" + n.ca}
	s.web = n.client()
	names := &nameServer{T: t, address: n.ours}
	s.resolveWith(n)

	names.answer(found)
	s.newLogin()
	s.serve()
	s.wantAlive()
	names.stop()
	failed := 0
	for _, restart := range []bool{false, true} {
		before := s.IDP.Stats()
		_, access := s.dueLogin()
		if restart {
			s.kill()
			s.serve()
		}
		s.wantServed(access)
		s.Eventually("the refresh fails", func() bool { return s.state().LastError != "" })
		for _, how := range []nameAnswer{silence, serverFailure, noSuchName, noAddress} {
			names.answer(how)
			s.Eventually("the name is asked for", func() bool { return names.asked() >= how.enough() })
			s.wantServed(access)
			failed += names.stop()
		}
		if n := s.IDP.Stats().TokenRequests - before.TokenRequests; n != 0 {
			t.Errorf("%d requests arrived at an issuer that nobody can find", n)
		}
		names.answer(found)
		s.Eventually("the refresh succeeds", func() bool { return s.IDP.Stats().Refreshes == before.Refreshes+1 })
		s.wantAlive()
		if !restart {
			names.stop()
		}
	}
	s.wantWell()
	table.Report(t, fault, "2 times, one of them from the start on; "+testkit.Count(failed, "query")+" failed", "the token served throughout, no request sent; refreshed afterwards; 0 logins lost")
}

// wantServed: an outage is not a logout (R9).
func (s *scene) wantServed(access string) {
	s.Helper()
	s.Eventually("the token in the file is served", func() bool {
		now, err := s.get()
		s.Must(err)
		return now == access
	})
}

// resolveWith runs the daemon in the link's network namespace, with a
// resolv.conf that names our end.
func (s *scene) resolveWith(n *link) {
	s.Helper()
	conf := filepath.Join(s.Base, "resolv.conf")
	s.Must(os.WriteFile(conf, []byte("nameserver "+n.ours+"\n"), 0o644))
	// ip enters a mount namespace of its own.
	s.wrap = []string{"ip", "netns", "exec", n.name, "sh", "-c", `mount --bind "$0" /etc/resolv.conf && exec "$@"`, conf}
}

// nameAnswer is how a question is answered.
type nameAnswer struct {
	silent  bool
	code    byte // RCODE (RFC 1035 §4.1.1)
	address bool
}

var (
	found         = nameAnswer{address: true}
	serverFailure = nameAnswer{code: 2}
	noSuchName    = nameAnswer{code: 3}
	noAddress     = nameAnswer{}
	silence       = nameAnswer{silent: true}
)

// enough questions for one try to have failed: it sends two, for A and AAAA, and
// without an answer repeats both half a second later (R7).
func (how nameAnswer) enough() int {
	if how.silent {
		return 3
	}
	return 1
}

// nameServer is a DNS server that knows one name (RFC 1035). Stopped, it is a
// port where nobody listens.
type nameServer struct {
	*testing.T
	address string
	conn    net.PacketConn
	served  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	count  int        // questions since answer
	before []net.IP   // what comes before our own address
}

// prefer has these addresses come before our own.
func (n *nameServer) prefer(addresses []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before = nil
	for _, a := range addresses {
		n.before = append(n.before, net.ParseIP(a))
	}
}

// answer listens, and answers every question in that way until stop.
func (n *nameServer) answer(how nameAnswer) {
	n.Helper()
	var conn net.PacketConn
	var err error
	// A program that a test beside this one is starting has the socket too, until its exec.
	testkit.Eventually(n.T, "the last server's socket is closed", func() bool {
		conn, err = net.ListenPacket("udp", net.JoinHostPort(n.address, "53"))
		return !errors.Is(err, syscall.EADDRINUSE)
	})
	if err != nil {
		n.Fatal(err)
	}
	n.conn, n.count = conn, 0
	n.Cleanup(func() { conn.Close() })
	n.served.Go(func() {
		question := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(question)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil || size < 12 {
				continue
			}
			n.mu.Lock()
			n.count++
			addresses := append(slices.Clone(n.before), net.ParseIP(n.address))
			n.mu.Unlock()
			if !how.silent {
				conn.WriteTo(how.reply(question[:size], addresses), from)
			}
		}
	})
}

func (n *nameServer) asked() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.count
}

// stop says how many questions there were.
func (n *nameServer) stop() int {
	n.conn.Close()
	n.served.Wait()
	return n.asked()
}

// reply is the answer to the one question of a packet (RFC 1035 §4.1, RFC 3596).
func (how nameAnswer) reply(question []byte, addresses []net.IP) []byte {
	end := 12 // behind the header: the name, as labels with their lengths
	for end < len(question) && question[end] != 0 {
		end += int(question[end]) + 1
	}
	end += 5 // the root label, type and class
	if end > len(question) {
		return nil
	}
	answer := append([]byte(nil), question[:end]...)
	answer[2], answer[3] = 0x84|question[2]&1, how.code // a response, authoritative
	copy(answer[4:12], []byte{0, 1, 0, 0, 0, 0, 0, 0})  // one question, nothing else
	for _, ip := range addresses {
		kind, data := byte(28), ip.To16() // AAAA
		if ip4 := ip.To4(); ip4 != nil {
			kind, data = 1, ip4
		}
		if how.address && question[end-3] == kind {
			answer[7]++
			answer = append(answer, 0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, byte(len(data))) // the name above, type, IN, no time to live
			answer = append(answer, data...)
		}
	}
	return answer
}
