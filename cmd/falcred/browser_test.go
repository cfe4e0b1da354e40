//go:build linux || darwin

package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
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
		script := "#!/bin/sh\nprintf '%s|' \"${0##*/}\" \"$@\" \"$FAL_KEY$FAL_KEY_ID$FAL_KEY_SECRET\" >>'" + seen + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
	for browser, want := range map[string]string{
		"":                         desktop + "|" + address + "||",
		"mine":                     "mine|" + address + "||",
		" mine --new  tab":         "mine|--new|tab|" + address + "||",
		filepath.Join(dir, "mine"): "mine|" + address + "||",
		"gone --new":               desktop + "|" + address + "||",
	} {
		for _, name := range []string{"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET"} {
			t.Setenv(name, "a key")
		}
		t.Setenv("BROWSER", browser)
		openBrowser(address)
		got, err := os.ReadFile(seen)
		if err != nil || string(got) != want {
			t.Errorf("BROWSER=%q: %q (%v), want %q", browser, got, err, want)
		}
		os.Remove(seen)
	}
}
