//go:build system && unix

package providers

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// OIDCClient is the one client that oidc-provider knows.
const OIDCClient = "test-client"

// OIDC is a running oidc-provider. Anybody may log in there, as ann.
type OIDC struct {
	Address string // where it really is, host:port

	t  testing.TB
	mu sync.Mutex // one order at a time
	in io.Writer  // to its standard input, a line each
	// said has its answers, a line each.
	said *bufio.Scanner
}

// Order is one line to provider.mjs, which names the members.
type Order map[string]any

//go:embed oidc
var oidcFiles embed.FS

// installOIDC lays the pinned packages into a folder of the user's cache, once for each
// state of the lock file.
var installOIDC = sync.OnceValues(func() (folder string, err error) {
	lock, err := oidcFiles.ReadFile("oidc/package-lock.json")
	if err != nil {
		return "", err
	}
	return install("oidc-provider", lock, func(folder string) error {
		files, err := fs.Sub(oidcFiles, "oidc")
		if err != nil {
			return err
		}
		if err := os.CopyFS(folder, files); err != nil {
			return err
		}
		cmd := exec.Command("npm", "ci", "--silent", "--no-audit", "--no-fund", "--prefer-offline", "--prefix", folder)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("npm: %w\n%s", err, out)
		}
		return nil
	})
})

// StartOIDC starts one that names itself by that issuer URL, without a trailing slash.
func StartOIDC(t testing.TB, issuer string) *OIDC {
	t.Helper()
	node := testkit.NeedTool(t, "node")
	testkit.NeedTool(t, "npm")
	folder, err := installOIDC()
	if err != nil {
		testkit.Missing(t, "npm's packages: ", err)
	}
	source, err := oidcFiles.ReadFile("oidc/provider.mjs")
	testkit.Must(t, err)
	program, err := os.CreateTemp(folder, "provider-*.mjs") // beside the packages, where node finds them
	testkit.Must(t, err)
	t.Cleanup(func() { os.Remove(program.Name()) })
	_, err = program.Write(source)
	testkit.Must(t, err)
	testkit.Must(t, program.Close())
	cmd := exec.Command(node, program.Name(), issuer, OIDCClient)
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	testkit.Must(t, err)
	out, err := cmd.StdoutPipe()
	testkit.Must(t, err)
	testkit.Must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close() // it ends with its input
		if err := testkit.Wait(cmd); err != nil || t.Failed() {
			t.Logf("oidc-provider: %v\n%s", err, log.String())
		}
	})
	o := &OIDC{t: t, in: in, said: bufio.NewScanner(out)}
	if !o.said.Scan() {
		t.Fatal("oidc-provider did not start")
	}
	o.Address = "127.0.0.1:" + o.said.Text()
	return o
}

// Order waits until it is carried out, and returns how many used refresh tokens the
// provider has met so far: each of them ends its login there.
func (o *OIDC) Order(order Order) (reused int) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	line, err := json.Marshal(order)
	testkit.Must(o.t, err)
	_, err = o.in.Write(append(line, '\n'))
	testkit.Must(o.t, err)
	var answer struct{ Reused int }
	if !o.said.Scan() {
		o.t.Fatal("oidc-provider has ended")
	}
	testkit.Must(o.t, json.Unmarshal(o.said.Bytes(), &answer))
	return answer.Reused
}
