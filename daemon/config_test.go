package daemon

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/daemon/issuer"
)

// inHome gives Load a home of its own, with a falcred.env of that text.
func inHome(t *testing.T, env string) (home string) {
	t.Helper()
	home = t.TempDir()
	os.Chmod(home, 0o700)
	t.Setenv("FAL_HOME_DIR", home)
	for _, name := range []string{"FALCRED_SOCKET", "FALCRED_ISSUER", "FALCRED_SERVERS", "FAL_KEY", "FAL_KEY_ID", "TEST_PROXY"} {
		t.Setenv(name, "") // restored when the test ends
		os.Unsetenv(name)
	}
	if err := os.WriteFile(filepath.Join(home, envfile.Name), []byte(env), 0o600); err != nil {
		t.Fatal(err)
	}
	return home
}

// §3: falcred.env reaches the daemon's environment, and the environment wins.
func TestFalcredEnvIsReadAndOverruled(t *testing.T) {
	inHome(t, "# for the office\nexport TEST_PROXY='http://proxy:3128'\nFAL_KEY=\"id:file\"\n")
	t.Setenv("FAL_KEY", "id:environment")
	cfg, err := Load("test")
	if err != nil {
		t.Fatal(err)
	}
	if got := os.Getenv("TEST_PROXY"); got != "http://proxy:3128" {
		t.Errorf("TEST_PROXY = %q", got)
	}
	if cfg.Key.Secret != "id:environment" {
		t.Errorf("the key is %q", cfg.Key.Secret)
	}
}

// §3: what is odd in falcred.env and in the environment is known to whoever has read them, once,
// and without a value; what is refused has the line to correct.
func TestOddSettings_Section3(t *testing.T) {
	inHome(t, "FALCRED_ISUER=hush\n")
	t.Setenv("FALCRED_ISUER", "") // restored when the test ends
	os.Unsetenv("FALCRED_ISUER")
	t.Setenv("FALCRED_SERVER", "hush")
	for range 2 { // the second time falcred.env is in the environment
		cfg, err := Load("test")
		want := []string{"falcred.env, line 1: falcred reads no variable FALCRED_ISUER\ndid you mean FALCRED_ISSUER?",
			"the environment has FALCRED_SERVER, which falcred does not read\ndid you mean FALCRED_SERVERS?"}
		if err != nil || !slices.Equal(cfg.EnvOdd, want) {
			t.Errorf("%q, %v", cfg.EnvOdd, err)
		}
	}
}

// §5, S11: a key that no header can hold is refused where it would be served, by the name of
// its variable and where that stands. Commands that serve none go on.
func TestOddKeysAreRefused_S11(t *testing.T) {
	home := inHome(t, "FAL_KEY=id:\x01hush\n")
	for where, value := range map[string]string{filepath.Join(home, envfile.Name): "", "the environment": "id:hush\n"} {
		os.Unsetenv("FAL_KEY") // what the reading before has set
		if value != "" {
			t.Setenv("FAL_KEY", value)
		}
		cfg, err := Load("test")
		if err != nil {
			t.Fatal(err)
		}
		err = Run(t.Context(), cfg, slog.New(slog.DiscardHandler))
		var mistake *Mistake
		if !errors.As(err, &mistake) || !strings.HasPrefix(err.Error(), "FAL_KEY in "+where+" contains") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", where, err)
		}
	}
	t.Setenv("FAL_KEY", "id:hush")
	if cfg, err := Load("test"); err != nil || cfg.KeyRefused != nil {
		t.Errorf("the environment's wins: %v, %v", err, cfg.KeyRefused)
	}
}

// §3: the home and the socket are looked for by programs that do not read
// falcred.env; others must not be able to write it.
func TestFalcredEnvIsRefused(t *testing.T) {
	for _, line := range []string{"FALCRED_SOCKET=/tmp/s", "FAL_HOME_DIR=/tmp/h", "no assignment SECRETSECRET"} {
		inHome(t, line+"\n")
		if _, err := Load("test"); err == nil || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v", line, err)
		}
	}
	modes := []os.FileMode{0o620, 0o602}
	if runtime.GOOS == "windows" {
		modes = nil // package strict's own tests open a file to others there
	}
	for _, mode := range modes {
		home := inHome(t, "TEST_PROXY=http://evil\n")
		os.Chmod(filepath.Join(home, envfile.Name), mode)
		if _, err := Load("test"); err == nil || os.Getenv("TEST_PROXY") != "" {
			t.Errorf("a file of mode %o was believed: %v", mode, err)
		}
	}
}

// R13: fal's issuer by either spelling; another one by its own, and never in
// the clear off loopback.
func TestIssuerNames(t *testing.T) {
	inHome(t, "")
	for given, want := range map[string]string{
		"":                       issuer.FalIssuer,
		"https://auth.fal.ai":    issuer.FalIssuer,
		"https://auth.fal.ai/":   issuer.FalIssuer,
		"https://id.example.com": "https://id.example.com",
		"http://127.0.0.1:9":     "http://127.0.0.1:9",
	} {
		t.Setenv("FALCRED_ISSUER", given)
		if cfg, err := Load("test"); err != nil || cfg.Issuer != want {
			t.Errorf("%q became %q, %v", given, cfg.Issuer, err)
		}
	}
	for _, bad := range []string{"http://id.example.com", "id.example.com", "https://u:p@id.example.com", "https://id.example.com/?a=b"} {
		t.Setenv("FALCRED_ISSUER", bad)
		if _, err := Load("test"); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
