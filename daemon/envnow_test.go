//go:build linux || darwin

package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// warnings are those of the daemon's that begin so.
func (h *house) warnings(c *testkit.Client, begin string) []string {
	h.Helper()
	var s protocol.Status
	if err := c.Ask("status", &s); err != nil {
		h.Fatal(err)
	}
	return slices.DeleteFunc(s.Warnings, func(text string) bool { return !strings.HasPrefix(text, begin) })
}

// §3, F6: what becomes of falcred.env under a living daemon is said in the very next status, and no
// longer once it is put right. No line of it counts before the next start, and none is shown.
func TestEnvFileChanges_Section3F6(t *testing.T) {
	h := newHouse(t, idp.Config{})
	path := filepath.Join(h.Home, envfile.Name)
	const text = "HTTPS_PROXY=http://ann:hush@proxy:1\n"
	mustWrite(t, path, text, 0o600)
	h.cfg.EnvFile = map[string]string{"HTTPS_PROXY": "http://ann:hush@proxy:1"}
	h.SignIn("ann")
	h.run()
	c := h.Dial()
	replace := func(text string, mode os.FileMode) func() {
		return func() {
			os.RemoveAll(path)
			mustWrite(t, path, text, mode)
			testkit.Must(t, os.Chmod(path, mode)) // whatever the umask
		}
	}
	for _, step := range []struct {
		name, want, hint string
		change           func()
	}{
		{"as it was", "", "", func() {}},
		{"mode 666", "is refused, and no daemon would start with it: " + path + " can be written by others", "chmod go-w " + path, replace(text, 0o666)},
		{"put right", "", "", replace(text, 0o600)},
		{"a comment", "", "", replace("# ours\n"+text, 0o600)},
		{"another value", "has changed since the daemon started", "falcred restart", replace("HTTPS_PROXY=http://proxy:2\n", 0o600)},
		{"one more", "has changed since the daemon started", "falcred restart", replace(text+"FAL_KEY=id:hush\n", 0o600)},
		{"a line", "is refused, and no daemon would start with it: " + path + ": line 1 is not KEY=VALUE", "correct that line", replace("hush\n", 0o600)},
		{"a name", "is refused, and no daemon would start with it: " + path + " cannot set FALCRED_SOCKET", "set it in the environment", replace("FALCRED_SOCKET=/hush\n", 0o600)},
		{"a folder", "is refused, and no daemon would start with it: " + path + " is not a regular file", "move it away", func() { os.Remove(path); testkit.Must(t, os.Mkdir(path, 0o700)) }},
		{"a link", "is refused, and no daemon would start with it: " + path + " is a link", "put the file itself there", func() { os.Remove(path); testkit.Must(t, os.Symlink("/dev/null", path)) }},
		{"no file", "has changed since the daemon started", "falcred restart", func() { os.Remove(path) }},
		{"back", "", "", replace(text, 0o600)},
	} {
		step.change()
		got := h.warnings(c, asItIsNow)
		switch {
		case step.want == "" && len(got) > 0, step.want != "" && len(got) != 1:
			t.Errorf("%s: %q", step.name, got)
		case step.want != "" && (!strings.HasPrefix(got[0], asItIsNow+step.want) || !strings.Contains(got[0], "\n"+step.hint) && !strings.Contains(got[0], step.hint)):
			t.Errorf("%s: %q", step.name, got[0])
		}
		if c.Secret() == "" {
			t.Errorf("%s: nothing is served", step.name)
		}
	}
	testkit.WantText(t, h.Logged.String(), "can be written by others")
	if strings.Contains(h.Logged.String(), "hush") {
		t.Error("a value is in the log")
	}
}

// §3: what is odd in falcred.env is in the log and in status, for as long as the daemon goes by it,
// with room for other warnings.
func TestOddLinesAreWarnings_Section3(t *testing.T) {
	for _, count := range []int{1, 4, 40} {
		h := newHouse(t, idp.Config{})
		lines := strings.Repeat("FAL_KEYS = hush\n", count)
		mustWrite(t, filepath.Join(h.Home, envfile.Name), lines, 0o600)
		file, err := envfile.Read(h.Home)
		testkit.Must(t, err)
		h.cfg.EnvFile, h.cfg.EnvOdd = file.Values, file.Odd
		h.SignIn("ann")
		h.run()
		got := h.warnings(h.Dial(), "falcred.env")
		if want := min(2*count, 5); len(got) != want || !strings.Contains(strings.Join(got, "\n"), "falcred reads no variable FAL_KEYS\ndid you mean FAL_KEY?") {
			t.Errorf("%d lines: %q", count, got)
		}
		if more := slices.ContainsFunc(got, func(text string) bool { return strings.HasPrefix(text, "falcred.env has ") }); more != (2*count > 4) {
			t.Errorf("%d lines: %q", count, got)
		}
		testkit.WantText(t, h.Logged.String(), "falcred reads no variable FAL_KEYS")
		if strings.Contains(h.Logged.String(), "hush") {
			t.Error("a value is in the log")
		}
		h.end()
	}
}

// §3: a status does not wait for a look that hangs, and no more than one hangs.
func TestALookMayHang_Section3(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun, hang := 0, make(chan struct{})
		look := patiently(lookPatience, func() { begun++; <-hang })
		for range 3 {
			start := time.Now()
			if look(); time.Since(start) != lookPatience {
				t.Errorf("it was waited for %s", time.Since(start))
			}
		}
		synctest.Wait()
		if begun != 1 {
			t.Errorf("%d looks hang", begun)
		}
		close(hang)
		synctest.Wait()
		if look(); begun != 2 {
			t.Errorf("none after it: %d", begun)
		}
	})
}

// §3, S11: where falcred.env, or a value in it, is refused, none of its lines is in the
// environment; without it the home's issuer is the recorded one, unless the environment names
// another.
func TestWithoutEnvFile_Section3S11(t *testing.T) {
	for _, text := range []string{"TEST_PROXY=x\nnonsense\n", "TEST_PROXY=x\nFALCRED_ISSUER=http://id.example.com\n", "TEST_PROXY=x\nFALCRED_SERVERS=http://id.example.com\n"} {
		home := inHome(t, text)
		mustWrite(t, filepath.Join(home, "falcred.json"), `{"Issuer":"https://id.example.com"}`, 0o600)
		_, err := Look("test")
		if !errors.As(err, new(*Mistake)) || os.Getenv("TEST_PROXY") != "" {
			t.Errorf("%q: %v, TEST_PROXY=%s", text, err, os.Getenv("TEST_PROXY"))
		}
		cfg, err := LookWithout("test")
		if err != nil || cfg.Issuer != "https://id.example.com" || cfg.Home != home || cfg.EnvFile != nil || os.Getenv("TEST_PROXY") != "" {
			t.Errorf("%q: %q, %v", text, cfg.Issuer, err)
		}
		t.Setenv("FALCRED_ISSUER", "https://other.example.com")
		if cfg, err := LookWithout("test"); err != nil || cfg.Issuer != "https://other.example.com" {
			t.Errorf("%q: %q, %v", text, cfg.Issuer, err)
		}
		os.Unsetenv("FALCRED_ISSUER")
	}
}
