package doctor

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
)

// restHosts answers for fal's hosts; what has no answer cannot be reached.
type restHosts map[string]int

func (h restHosts) RoundTrip(r *http.Request) (*http.Response, error) {
	status := h[r.URL.Host]
	if r.URL.Path != "/users/teams" || status == 0 || r.Header.Get("Authorization") != "" {
		return nil, testkit.ErrNetDown
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(`{"detail":"secret"}`))}, nil
}

// §2, R13: where a team's id is asked for, by what, and whether that is there at all.
func TestDoctorNamesTheRESTHost_R13(t *testing.T) {
	const team = "[__internal__]\nteam = \"acme\"\n"
	const alpha, second = "rest.alpha.fal.ai", "rest.fal.ai"
	for what, c := range map[string]struct {
		config      string
		mode        os.FileMode
		rest, named string
		hosts       restHosts
		want        string // Result, text and hint; "" for no finding
	}{
		"no team":                   {hosts: restHosts{}},
		"fal's own":                 {config: team, hosts: restHosts{alpha: 401, second: 401}, want: "ok https://rest.alpha.fal.ai knows a team's id"},
		"alpha is gone":             {config: team, hosts: restHosts{second: 401}, want: "warn https://rest.fal.ai is asked for a team's id, since another host of fal's is gone: https://rest.alpha.fal.ai: FAL_REST_HOST"},
		"alpha says 404":            {config: team, hosts: restHosts{alpha: 404, second: 403}, want: "warn https://rest.fal.ai https://rest.alpha.fal.ai: status 404, which is not fal's answer"},
		"both are gone":             {config: team, hosts: restHosts{alpha: 410}, want: "fail https://rest.alpha.fal.ai: status 410 https://rest.fal.ai: network"},
		"a variable's":              {rest: "https://rest.example", named: "FAL_GRPC_HOST", hosts: restHosts{"rest.example": 401}, want: "ok https://rest.example knows FAL_GRPC_HOST"},
		"a variable's that is gone": {rest: "https://rest.example", named: "FAL_GRPC_HOST", hosts: restHosts{alpha: 401}, want: "fail https://rest.example: network FAL_GRPC_HOST"},
		"a profile's":               {config: team + "profile = \"work\"\n[work]\nhost = \"api.example\"\n", hosts: restHosts{"rest.example": 401}, want: "ok https://rest.example knows config.toml work"},
		"a profile's, of a file that others can write": {config: team + "profile = \"work\"\n[work]\nhost = \"api.example\"\n", mode: 0o664, hosts: restHosts{"rest.example": 401},
			want: "fail is not used can be written by others config.toml " + withdraw},
	} {
		home := t.TempDir()
		cfg := Config{Config: login.Config{Home: home, Issuer: issuer.FalIssuer, FalConfig: fal.Config{Path: filepath.Join(home, "config.toml")}, REST: fal.StandardREST, RESTNamed: c.named, Transport: c.hosts}}
		if c.rest != "" {
			cfg.REST = c.rest
		}
		putConfig(t, cfg.FalConfig.Path, c.config, c.mode)
		wantFinding(t, what, examineREST(t.Context(), cfg), c.want)
	}
}

// withdraw is of [strict.Withdraw], as words.
var withdraw = map[bool]string{false: "chmod go-w", true: "icacls /inheritance:r"}[runtime.GOOS == "windows"]

func putConfig(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if text == "" {
		return
	}
	testkit.Must(t, testkit.WriteFile(path, text))
	if mode != 0 {
		testkit.Must(t, disk.Chmod(path, mode))
	}
}

// wantFinding looks for each word in the one finding that there is.
func wantFinding(t *testing.T, what string, found []Finding, want string) {
	t.Helper()
	if want == "" {
		if len(found) > 0 {
			t.Errorf("%s: %+v", what, found)
		}
		return
	}
	if len(found) != 1 {
		t.Errorf("%s: %+v", what, found)
		return
	}
	text := string(found[0].Result) + " " + found[0].Text + " " + found[0].Hint
	for _, word := range strings.Fields(want) {
		if !strings.Contains(text, word) || strings.Contains(text, "secret") {
			t.Errorf("%s: %s\nwithout %s", what, text, word)
		}
	}
}

// R13, F6, §3: what is odd about the fal config is named, with what to do.
func TestDoctorNamesTheFalConfig_R13F6(t *testing.T) {
	const team = "[__internal__]\nteam = \"acme\"\n"
	for what, c := range map[string]struct {
		config, given string
		mode          os.FileMode
		none          bool
		want          string
	}{
		"none":               {},
		"ours":               {config: team},
		"to be read":         {config: team, mode: 0o644},
		"to be written":      {config: team, mode: 0o666, want: "warn can be written by others " + withdraw},
		"too large":          {config: string(bytes.Repeat([]byte("\n"), 64<<10+1)), want: "fail larger than 64 KiB"},
		"no TOML":            {config: "[x\nkey = \"secret\"", want: "fail cannot be read as TOML correct"},
		"no table":           {config: "__internal__ = 1\n", want: "fail is not a table correct"},
		"set and empty":      {none: true, want: "ok FAL_CONFIG_PATH is set and empty"},
		"relative":           {given: "config.toml", want: "warn FAL_CONFIG_PATH is relative absolute falcred.env"},
		"of the home folder": {given: "~/config.toml"},
	} {
		t.Setenv("FAL_CONFIG_PATH", c.given)
		config := fal.Config{Path: filepath.Join(t.TempDir(), "config.toml")}
		putConfig(t, config.Path, c.config, c.mode)
		if c.none {
			config.Path = ""
		}
		wantFinding(t, what, examineFalConfig(config), c.want)
	}
	t.Setenv("FAL_CONFIG_PATH", "")
	config := fal.Config{Path: filepath.Join(t.TempDir(), "config.toml")}
	if err := os.Mkdir(config.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	wantFinding(t, "a folder", examineFalConfig(config), "fail is not a regular file")
}
