//go:build unix

package env_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

// expand is what fal's auth/local.py does with each environment, and where that leads.
const expand = `
import json, os, pathlib, sys
def home(variables):
    for name in ("HOME", "FAL_HOME_DIR"):
        os.environ.pop(name, None)
    os.environ.update(variables)
    try:
        path = pathlib.Path(os.getenv("FAL_HOME_DIR", str(pathlib.Path.home() / ".fal"))).expanduser()
    except RuntimeError:
        return ""
    return os.path.realpath(path) if path.is_absolute() else ""
print(json.dumps([home(v) for v in json.load(sys.stdin)]))`

// §3: fal's own programs are Python's, and falcred looks where they do, or says why it looks
// nowhere.
func TestHomesArePythons_Section3(t *testing.T) {
	python := testkit.NeedTool(t, "python3")
	folder := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(folder, "a", "b"), 0o700), os.Symlink(filepath.Join(folder, "a", "b"), filepath.Join(folder, "link"))); err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, home := range []string{"/h", "/h/", "//h", "/", "", "rel", "unset", folder + "/link/..", folder + "/a/../a"} {
		for _, dir := range []string{"unset", "~", "~/", "~/x", "~//x", "~root", "~root/x", "~nobody-of-this-name/x", "~x~", "/x/~", "/x/", "rel", "./~",
			folder + "/link/../x", folder + "/a/../x", folder + "/none/../x", folder + "/a/b/..", "~/../x"} {
			variables := map[string]string{"HOME": home, "FAL_HOME_DIR": dir}
			for name, value := range variables {
				if value == "unset" {
					delete(variables, name)
				}
			}
			all = append(all, variables)
		}
	}
	in, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", expand)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	var want []string
	if err := errors.Join(err, json.Unmarshal(out, &want)); err != nil || len(want) != len(all) {
		t.Fatalf("%v, %d answers", err, len(want))
	}
	taken := 0
	for i, variables := range all {
		got, err := env.Home(func(name string) (string, bool) { value, set := variables[name]; return value, set })
		if err != nil {
			continue
		}
		taken++
		if real(got) != want[i] {
			t.Errorf("%q: Python takes %q, and falcred %q", variables, want[i], got)
		}
	}
	if taken < len(all)/2 {
		t.Errorf("%d of %d refused", len(all)-taken, len(all))
	}
}

// real is Python's realpath: what is not there lies where its folder leads.
func real(path string) string {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		return target
	}
	if path == filepath.Dir(path) {
		return path
	}
	return filepath.Join(real(filepath.Dir(path)), filepath.Base(path))
}
