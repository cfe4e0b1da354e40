//go:build linux && system

package faults

import (
	"bufio"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// Of these nothing ever comes back: they are behind an interface that drops all.
const (
	deadServer = "198.51.100.53"
	dead4      = "198.51.100.80"
	dead6      = "2001:db8::80"
)

// way is what stands between a machine and its issuer.
type way struct {
	name    string
	servers []string                // of resolv.conf; "" is our own
	addrs   []string                // before the issuer's own
	env     func(s *scene) []string // more of the environment
	python  bool                    // Python's standard library gets there too
	reached bool                    // falcred must
	doctor  []string                // what doctor must say
}

// R7: an issuer is reached wherever Python on the same machine reaches it, by a daemon that
// refreshes; and where it is not, or with a catch, doctor names what stands between.
func TestIssuerIsReached_R7(t *testing.T) {
	t.Parallel()
	const fault = "a silent nameserver, dead addresses of both families, proxies that serve, refuse and are silent (network namespace)"
	needMounts(t, fault)
	table.NeedTool(t, fault, "ip")
	n := newLink(t, 2)
	n.deadEnds()
	server := n.issuer(idp.Config{}, issuerName)
	names := &nameServer{T: t, address: n.ours}
	names.answer(found)
	proxy, refusing, silent := n.proxy(nil), n.proxy([]byte("HTTP/1.1 407 no\r\nX: a secret\r\n\r\n")), n.proxy([]byte{})
	bad := n.proxy([]byte("HTTP/1.1 502 no\r\n\r\n"))
	behind := func(variable, address string) func(*scene) []string {
		return func(*scene) []string { return []string{variable + "=http://u:a-secret@" + address} }
	}
	none := []string{deadServer}
	for _, w := range []way{
		{name: "nothing", servers: []string{""}, python: true, reached: true, doctor: []string{"ok    issuer"}},
		{name: "a silent nameserver first", servers: []string{deadServer, ""}, python: true, reached: true,
			doctor: []string{"ok    issuer", "warn  nameserver  the nameserver " + deadServer + " of /etc/resolv.conf does not answer"}},
		{name: "two silent nameservers first", servers: []string{deadServer, "198.51.100.54", ""}, python: true, reached: true,
			doctor: []string{"ok    issuer", deadServer, "198.51.100.54"}},
		{name: "IPv6 that leads nowhere", servers: []string{""}, addrs: []string{dead6, "2001:db8::81", "2001:db8::82"}, reached: true, doctor: []string{"ok    issuer"}},
		{name: "three dead addresses first", servers: []string{""}, addrs: []string{dead4, "198.51.100.81", "198.51.100.82"}, reached: true, doctor: []string{"ok    issuer"}},
		{name: "a proxy", servers: none, env: behind("HTTPS_PROXY", proxy), python: true, reached: true, doctor: []string{"ok    issuer", "through the proxy http://" + proxy}},
		{name: "another variable's proxy", servers: none, env: behind("all_proxy", proxy), reached: true, doctor: []string{"ok    issuer", "through the proxy http://" + proxy}},
		{name: "a proxy that wants a password", servers: none, env: behind("https_proxy", refusing),
			doctor: []string{"FAIL  issuer", "the proxy refuses: status 407", "give the proxy the right user and password"}},
		{name: "a proxy that does not get there", servers: none, env: behind("HTTPS_PROXY", bad),
			doctor: []string{"FAIL  issuer", "the proxy refuses: status 502", "the proxy cannot reach the issuer"}},
		{name: "a proxy that is silent", servers: none, env: behind("ALL_PROXY", silent),
			doctor: []string{"FAIL  issuer", "the proxy does not answer", "check ALL_PROXY and NO_PROXY"}},
		{name: "no nameserver", servers: []string{deadServer},
			doctor: []string{"FAIL  issuer", "its host name cannot be resolved: no nameserver answers", "warn  nameserver  the nameserver " + deadServer}},
		{name: "a CA file that is not there", servers: []string{""}, env: func(s *scene) []string { return []string{"SSL_CERT_FILE=" + filepath.Join(s.Base, "gone.pem")} },
			doctor: []string{"FAIL  issuer", "signed by an unknown authority", "warn  CA file     SSL_CERT_FILE cannot be read"}},
	} {
		t.Run(w.name, func(t *testing.T) {
			names.prefer(w.addrs)
			s := newSceneAt(t, server)
			s.web = n.client()
			s.More = []string{"SSL_CERT_FILE=" + n.ca}
			if w.env != nil {
				s.More = append(s.More, w.env(s)...)
			}
			s.resolveBy(n, w.servers)
			before := server.Stats().Refreshes
			s.dueLogin()
			s.serve()
			if w.reached {
				s.Eventually("a refresh", func() bool { return server.Stats().Refreshes == before+1 })
				s.wantAlive()
			} else {
				s.Eventually("the daemon says so", func() bool { return strings.Contains(s.state().LastError, w.doctor[1]) })
			}
			if w.python {
				s.wantPython()
			}
			s.wantDoctor(w.doctor...)
			s.stop()
		})
	}
	table.Report(t, fault, "12 ways", "a refresh where there is a way, else doctor names what stands there")
}

// R7: an issuer's certificate is renewed under a running daemon, and with it the CA file
// of SSL_CERT_FILE: it goes on by itself, and doctor has one thing to say.
func TestCertificateIsRenewed_R7(t *testing.T) {
	t.Parallel()
	const fault = "the issuer's certificate and the CA file renewed under a running daemon (network namespace)"
	table.NeedRoot(t, fault)
	table.NeedTool(t, fault, "ip")
	n := newLink(t, 3)
	here, later := net.ParseIP(n.ours), time.Now().Add(time.Hour)
	old, renewed := testkit.NewCertificate(t, here, later), testkit.NewCertificate(t, here, later)
	var shown atomic.Pointer[tls.Certificate]
	shown.Store(old)
	listener, err := tls.Listen("tcp", n.ours+":0", &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return shown.Load(), nil }})
	testkit.Must(t, err)
	server, err := idp.Serve(listener, "https://"+listener.Addr().String(), idp.Config{})
	testkit.Must(t, err)
	t.Cleanup(server.Close)
	trust := func(c *tls.Certificate) {
		testkit.Must(t, os.WriteFile(n.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600))
	}
	trust(old)
	s := newSceneAt(t, server)
	s.wrap = []string{"ip", "netns", "exec", n.name}
	s.More = []string{"SSL_CERT_FILE=" + n.ca}
	s.web = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} // #nosec G402 -- the test's own
	s.dueLogin()
	s.serve()
	s.wantAlive()
	shown.Store(renewed)
	before := server.Stats()
	s.dueLogin()
	s.Eventually("the certificate is refused", func() bool { return strings.Contains(s.state().LastError, "unknown authority") })
	if out := s.wantDoctor("FAIL  issuer", "unknown authority", "SSL_CERT_FILE: "+n.ca); strings.Count(out, "unknown authority") != 1 {
		t.Errorf("one fault is named more than once:\n%s", out)
	}
	if n := server.Stats().TokenRequests - before.TokenRequests; n != 0 {
		t.Errorf("%d tokens were sent to somebody unknown", n)
	}
	trust(renewed)
	s.wantPython()
	s.Eventually("a refresh", func() bool { return server.Stats().Refreshes == before.Refreshes+1 })
	s.wantDoctor("ok    issuer")
	s.wantWell()
	table.Report(t, fault, "once", "refreshed at the next try; one finding of doctor's; 0 tokens sent over what was not trusted")
}

// deadEnds gives the namespace networks from which nothing comes back.
func (n *link) deadEnds() {
	n.Helper()
	// Without ARP, nothing is sent there to the far end's own address.
	n.ip("-n", n.name, "link", "add", "dead0", "type", "veth", "peer", "name", "dead1")
	n.ip("-n", n.name, "link", "set", "dead0", "arp", "off", "up")
	n.ip("-n", n.name, "link", "set", "dead1", "arp", "off", "up")
	n.ip("-n", n.name, "addr", "add", "198.51.100.1/24", "dev", "dead0")
	n.ip("-n", n.name, "addr", "add", "2001:db8::1/64", "dev", "dead0", "nodad")
}

// proxy makes tunnels to our end, whatever the name, or says something else: nothing at
// all where that is empty.
func (n *link) proxy(instead []byte) (address string) {
	n.Helper()
	l, err := net.Listen("tcp", n.ours+":0")
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { l.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		in := bufio.NewReader(c)
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if instead != nil {
			c.Write(instead)
			if len(instead) == 0 {
				io.Copy(io.Discard, in) // until the other end gives up
			}
			return
		}
		_, port, _ := net.SplitHostPort(req.Host)
		to, err := net.Dial("tcp", net.JoinHostPort(n.ours, port))
		if err != nil {
			return
		}
		defer to.Close()
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() { io.Copy(to, in); to.Close() }()
		io.Copy(c, to)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

// resolveBy is resolveWith for these nameservers, "" for our own.
func (s *scene) resolveBy(n *link, servers []string) {
	s.Helper()
	s.resolveWith(n)
	var conf strings.Builder
	for _, server := range servers {
		if server == "" {
			server = n.ours
		}
		conf.WriteString("nameserver " + server + "\n")
	}
	s.Must(os.WriteFile(filepath.Join(s.Base, "resolv.conf"), []byte(conf.String()), 0o644))
}

// inside runs a program where the daemon runs, with its environment.
func (s *scene) inside(args ...string) (out string, err error) {
	args = append(append([]string{}, s.wrap...), args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = s.Env()
	data, err := cmd.CombinedOutput()
	return string(data), err
}

// wantDoctor runs falcred doctor, which must say all of this, and no secret.
func (s *scene) wantDoctor(says ...string) (out string) {
	s.Helper()
	out, _ = s.inside(s.bin, "doctor") // a catch is an exit code, too
	for _, text := range says {
		if !strings.Contains(out, text) {
			s.Errorf("doctor does not say %q:\n%s", text, out)
		}
	}
	if strings.Contains(out, "secret") {
		s.Errorf("doctor says a secret:\n%s", out)
	}
	return out
}

// wantPython has Python's standard library reach the issuer: else the row shows nothing.
func (s *scene) wantPython() {
	s.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		s.Logf("no python3 beside it")
		return
	}
	begun := time.Now()
	out, err := s.inside(python, "-c", "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=30).read()", s.IDP.URL+"/.well-known/openid-configuration")
	if err != nil {
		s.Errorf("Python does not get there: %v\n%s", err, out)
	}
	s.Logf("Python took %s", strconv.FormatFloat(time.Since(begun).Seconds(), 'f', 1, 64))
}
