//go:build system && linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// S3: where the users at the other end of a socket cannot be known, nothing is started
// and nobody is asked: the helper says so at once, and that it is no use to try later. A
// key still answers. Such a system that can be run here is Go's js/wasm, by node.
func TestWhereNothingServes_S3(t *testing.T) {
	node := testkit.NeedTool(t, "node")
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	program := filepath.Join(home, "helper.wasm")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(home, "auth0_token"), []byte("refresh"), 0o600); err != nil {
		t.Fatal(err)
	}
	for env, want := range map[string]struct {
		code int
		says string
	}{
		"FAL_KEY=":    {1, "falcred does not serve on js"},
		"FAL_KEY=a:b": {0, "a:b"},
	} {
		cmd := exec.Command(filepath.Join(strings.TrimSpace(string(root)), "lib/wasm/go_js_wasm_exec"), program, "token")
		cmd.Env = []string{"PATH=" + filepath.Dir(node) + ":/usr/bin:/bin", "HOME=" + home, "FAL_HOME_DIR=" + home, env}
		out, _ := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != want.code || !strings.Contains(string(out), want.says) {
			t.Errorf("%s: exit %d, %s", env, code, out)
		}
	}
}
