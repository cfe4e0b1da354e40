package login

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// C7: the way to sign in is read as the fal CLI reads it, and written as it writes it. What cannot
// be a connection's name goes into no address.
func TestLastConnection_C7(t *testing.T) {
	home := testkit.ShortDir(t)
	path := filepath.Join(home, "last_auth_connection")
	if got := LastConnection(home); got != "" {
		t.Errorf("without a file: %q", got)
	}
	for text, want := range map[string]string{
		"github": "github", "google\n": "google", " corp.example.com\t\n": "corp.example.com", "a-b_c": "a-b_c",
		"": "", "\n": "", "git hub": "", "github\ngoogle": "", "a&b=c": "", "\x1b[31m": "", "ü": "",
		strings.Repeat("x", 254): "", strings.Repeat("x", 100<<10): "",
	} {
		testkit.Must(t, os.WriteFile(path, []byte(text), 0o644))
		if got := LastConnection(home); got != want {
			t.Errorf("%.20q was read as %q, want %q", text, got, want)
		}
	}
	testkit.Must(t, SaveConnection(home, "github"))
	if text, err := os.ReadFile(path); string(text) != "github" || err != nil {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

// F6: what stands there and is no file of ours is neither read nor written through.
func TestLastConnectionBehindALink_F6(t *testing.T) {
	home := testkit.ShortDir(t)
	target := filepath.Join(t.TempDir(), "target")
	testkit.Must(t, os.WriteFile(target, []byte("google"), 0o600))
	if err := os.Symlink(target, filepath.Join(home, "last_auth_connection")); err != nil {
		t.Skip(err)
	}
	if got := LastConnection(home); got != "" {
		t.Errorf("read through a link: %q", got)
	}
	SaveConnection(home, "github")
	if text, _ := os.ReadFile(target); string(text) != "google" {
		t.Errorf("the link's target holds %q", text)
	}
}
