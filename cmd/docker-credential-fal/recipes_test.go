//go:build unix && system

package main_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

// recipe is the first block of a language under a heading of helper/RECIPES.md:
// what people copy is what is run here.
func recipe(t *testing.T, heading, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../helper/RECIPES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, found := strings.Cut(section, "\n```"+language+"\n")
	block, _, closed := strings.Cut(block, "\n```\n")
	if !ok || !found || !closed {
		t.Fatalf("the page has no %s block under %q", language, heading)
	}
	return block + "\n"
}

// falRun stands where fal.run would: a server of that name with a certificate of
// its own authority, which a proxy leads every client to. It answers who shows
// the stage's token of the moment.
type falRun struct {
	*stage
	server string // its address
	proxy  string // the proxy's URL
	ca     string // the authority's certificate, a file

	mu   sync.Mutex // guards what has come
	seen []string   // the Authorization of each request
}

func (s *stage) falRun() *falRun {
	s.Helper()
	f := &falRun{stage: s, ca: filepath.Join(s.TempDir(), "ca.pem")}
	server := httptest.NewUnstartedServer(f)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{f.certificate("fal.run", "queue.fal.run")}}
	server.StartTLS()
	s.Cleanup(server.Close)
	proxy := httptest.NewServer(tunnel(server.Listener.Addr().String()))
	s.Cleanup(proxy.Close)
	f.server, f.proxy = server.Listener.Addr().String(), proxy.URL
	return f
}

// certificate signs itself; whoever trusts the file trusts it.
func (f *falRun) certificate(names ...string) tls.Certificate {
	f.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		f.Fatal(err)
	}
	if err := os.WriteFile(f.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		f.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// tunnel is a proxy (RFC 9110 §9.3.6) all of whose ways lead to one place.
func tunnel(to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		there, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, "no server", http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, in, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			io.Copy(there, in)
			there.Close()
		}()
		io.Copy(here, there)
	})
}

// environment leads a program to this fal.run; where it cannot be led by a
// variable, its recipe's test says how.
func (f *falRun) environment() []string {
	return append(f.Env(),
		"PATH="+f.bin+":"+os.Getenv("PATH"),
		"HTTPS_PROXY="+f.proxy, "https_proxy="+f.proxy, "CURL_CA_BUNDLE="+f.ca, "SSL_CERT_FILE="+f.ca, "NODE_EXTRA_CA_CERTS="+f.ca,
		"TEST_SERVER="+f.server)
}

func (f *falRun) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = append(f.seen, r.Header.Get("Authorization"))
	_, access := f.tokens()
	w.Header().Set("Content-Type", "application/json")
	if r.Header.Get("Authorization") != "Bearer "+access {
		w.WriteHeader(http.StatusUnauthorized)
	}
	io.WriteString(w, `{"image":"a cat"}`)
}

// took are the requests since the last look.
func (f *falRun) took() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := f.seen
	f.seen = nil
	return seen
}

// twice runs a program that makes two requests and says so after each, in a line;
// between them the login is rotated.
func (f *falRun) twice(cmd *exec.Cmd) {
	f.Helper()
	var errs strings.Builder
	cmd.Env, cmd.Stderr = f.environment(), &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		f.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	want := func() {
		f.Helper()
		if !lines.Scan() || !strings.Contains(lines.Text(), "a cat") {
			cmd.Wait()
			f.Fatalf("it says %q\n%s", lines.Text(), errs.String())
		}
	}
	want()
	f.rotate()
	io.WriteString(in, "again\n")
	want()
	if err := cmd.Wait(); err != nil {
		f.Errorf("%v\n%s", err, errs.String())
	}
	if seen := f.took(); len(seen) != 2 || seen[0] == seen[1] {
		f.Errorf("%d requests, or the same token twice", len(seen))
	}
}

// rotate has the login refreshed, and the daemon serve the new token.
func (s *stage) rotate() {
	s.Helper()
	_, before := s.tokens()
	refresh, _, _ := s.IDP.Login("ann")
	s.expired(refresh, false)
	s.Eventually("another token is served", func() bool {
		c, err := s.get(s.Sock)
		return err == nil && string(c.Secret) != before
	})
}

// failsAlone runs the program where nobody is logged in: nothing may be sent.
func (f *falRun) failsAlone(cmd *exec.Cmd) {
	f.Helper()
	if err := os.Remove(f.File); err != nil {
		f.Fatal(err)
	}
	f.Eventually("nobody is logged in", func() bool {
		_, err := f.get(f.Sock)
		return err != nil
	})
	cmd.Env = f.environment()
	if out, err := cmd.CombinedOutput(); err == nil {
		f.Errorf("it goes on without a login: %s", out)
	}
	if seen := f.took(); len(seen) > 0 {
		f.Errorf("it sent %d requests without a login", len(seen))
	}
}

// The real @fal-ai/client, pinned, with the page's middleware.
func TestRecipeJavaScript(t *testing.T) {
	node, npm := testkit.NeedTool(t, "node"), testkit.NeedTool(t, "npm")
	f := served(t, idp.Config{}).falRun()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"falcred.mjs": recipe(t, "JavaScript", "js"),
		// node's fetch knows no proxy: its connections are led by hand.
		"lead.cjs": `const tls = require("node:tls"), connect = tls.connect, [host, port] = process.env.TEST_SERVER.split(":");
tls.connect = (options, ...rest) => connect({ ...options, host, port }, ...rest);`,
		"main.mjs": `import "./falcred.mjs";
import { fal } from "@fal-ai/client";
import readline from "node:readline";
const run = async () => console.log(JSON.stringify((await fal.run("fal-ai/flux", { input: { prompt: "a cat" } })).data));
await run();
for await (const line of readline.createInterface({ input: process.stdin })) { await run(); break; }
process.exit(0);`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.Command(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "@fal-ai/client@1.10.1")
	if out, err := install.CombinedOutput(); err != nil {
		testkit.Missing(t, "npm's packages: ", err, "\n", string(out))
	}
	program := func() *exec.Cmd {
		cmd := exec.Command(node, "--require", filepath.Join(folder, "lead.cjs"), "main.mjs")
		cmd.Dir = folder
		return cmd
	}
	f.twice(program())
	f.failsAlone(program())
}

func TestRecipePython(t *testing.T) {
	python := testkit.NeedTool(t, "python3")
	f := served(t, idp.Config{}).falRun()
	file := filepath.Join(t.TempDir(), "recipe.py")
	text := recipe(t, "Python", "python") + `
import sys
print(run("fal-ai/flux", {"prompt": "a cat"}), flush=True)
sys.stdin.readline()
print(run("fal-ai/flux", {"prompt": "a cat"}), flush=True)
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f.twice(exec.Command(python, file))
	f.failsAlone(exec.Command(python, file))
}

// The shell's blocks: with a login, across a rotation, and without one.
func TestRecipeShell(t *testing.T) {
	for _, tool := range []string{"curl", "jq", "bash", "make"} {
		testkit.NeedTool(t, tool)
	}
	cron := recipe(t, "cron and make", "cron")
	_, job, _ := strings.Cut(cron, "*/10 * * * * ")
	makefile := filepath.Join(t.TempDir(), "Makefile")
	if err := os.WriteFile(makefile, []byte(recipe(t, "cron and make", "make")), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, program := range map[string]func() *exec.Cmd{
		"sh":   func() *exec.Cmd { return exec.Command("sh", "-c", recipe(t, "Shell", "sh")) },
		"bash": func() *exec.Cmd { return exec.Command("bash", "-c", recipe(t, "Shell", "bash")) },
		// cron turns \% into %, and gives the job to sh.
		"cron": func() *exec.Cmd { return exec.Command("sh", "-c", strings.ReplaceAll(job, `\%`, "%")) },
		"make": func() *exec.Cmd {
			return exec.Command("make", "-s", "-C", filepath.Dir(makefile), "--always-make", "cat.json")
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := served(t, idp.Config{}).falRun()
			for range 2 {
				cmd := program()
				cmd.Env = f.environment()
				out, err := cmd.CombinedOutput()
				if seen := f.took(); err != nil || len(seen) != 1 {
					t.Fatalf("%v, %d requests\n%s", err, len(seen), out)
				}
				f.rotate()
			}
			f.failsAlone(program())
		})
	}
}
