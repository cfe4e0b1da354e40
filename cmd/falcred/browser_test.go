//go:build linux || darwin

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// R12: who opens the address is BROWSER first, whatever the desktop has, with its own
// arguments, and gets no key.
func TestR12BrowserGetsTheAddressAndNoKey(t *testing.T) {
	const address = "https://login.example.com/activate?user_code=AB&x=y z"
	dir := filepath.Join(t.TempDir(), "a folder")
	seen := filepath.Join(t.TempDir(), "seen")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	desktop := map[string]string{"linux": "xdg-open", "darwin": "open"}[runtime.GOOS]
	for _, name := range []string{desktop, "mine"} {
		script := "#!/bin/sh\nprintf '%s|' \"${0##*/}\" \"$@\" \"$FAL_KEY$FAL_KEY_ID$FAL_KEY_SECRET$HTTPS_PROXY\" >>'" + seen + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	environ := []string{"DISPLAY=:0", "FAL_KEY=a key", "FAL_KEY_ID=a key", "FAL_KEY_SECRET=a key"}
	t.Setenv("HTTPS_PROXY", "http://ada:hunter2@proxy.example.com") // falcred.env's
	for browser, want := range map[string]string{
		"":                         desktop + "|" + address + "||",
		"mine":                     "mine|" + address + "||",
		" mine --new  tab":         "mine|--new|tab|" + address + "||",
		filepath.Join(dir, "mine"): "mine|" + address + "||",
		"gone --new":               desktop + "|" + address + "||",

		"gone:mine --tab:" + desktop: "mine|--tab|" + address + "||", // a list
		": :mine":                    "mine|" + address + "||",
	} {
		l := &loginRun{environ: append(environ, "BROWSER="+browser)}
		var got []byte
		if !l.open(address) || !testkit.Within(testkit.Patience, func() bool { got, _ = os.ReadFile(seen); return string(got) == want }) {
			t.Errorf("BROWSER=%q: %q, want %q", browser, got, want)
		}
		os.Remove(seen)
	}
	for what, l := range map[string]*loginRun{
		"--no-browser": {environ: environ, loginFlags: loginFlags{noBrowser: true}},
		"no display":   {environ: []string{"BROWSER=gone"}},
		"ssh":          {environ: append(environ, "SSH_TTY=/dev/pts/9")},
	} {
		if what == "no display" && runtime.GOOS == "darwin" {
			continue
		}
		if l.open(address) {
			t.Errorf("%s: a browser is opened", what)
		}
	}
	if os.Getenv("HTTPS_PROXY") == "" {
		t.Error("this process's own environment was changed")
	}
}

// C12: where the fal CLI opens no browser, none is opened here, and nowhere else.
func TestHeadlessAsTheCLI_C12(t *testing.T) {
	const linux, wsl = "Linux version 6.1.0-9-amd64", "Linux version 5.15.90.1-microsoft-standard-WSL2"
	for _, tt := range []struct {
		system, kernel, env string
		want                bool
	}{
		{"linux", linux, "", true},
		{"linux", linux, "DISPLAY", false},
		{"linux", linux, "WAYLAND_DISPLAY", false},
		{"linux", linux, "DISPLAY SSH_CLIENT SSH_CONNECTION", true}, // ssh -X
		{"linux", linux, "WAYLAND_DISPLAY SSH_TTY", true},
		{"linux", wsl, "DISPLAY WAYLAND_DISPLAY", true}, // WSLg
		{"freebsd", "", "", true},
		{"darwin", "", "", false},
		{"darwin", "", "SSH_CLIENT", true},
		{"windows", "", "", false},
		{"windows", "", "SSH_CLIENT", true},
	} {
		getenv := func(name string) string {
			if slices.Contains(strings.Fields(tt.env), name) {
				return "x"
			}
			return ""
		}
		if got := headless(tt.system, tt.kernel, getenv); got != tt.want {
			t.Errorf("%s, %s, %s: %v", tt.system, tt.kernel, tt.env, got)
		}
	}
}
