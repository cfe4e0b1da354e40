//go:build linux && system

package attacks

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

const (
	falIssuer = "https://auth.fal.ai/"
	falREST   = "rest.alpha.fal.ai"
	sdkREST   = "rest.fal.ai" // is asked where the other cannot be reached in time
	falClient = "TwXR51Vz8JbY8GUUMy6EyuVR0fTO7N4N"
)

// newFalScene is a scene with fal's own defaults, fal being behind the proxy.
func newFalScene(t *testing.T) (*scene, *proxy) {
	t.Helper()
	s := newScene(t, idp.Config{})
	provider, err := idp.New(falIssuer, idp.Config{ClientID: falClient, AutoApprove: true, Interval: time.Second,
		Teams: []idp.Team{{Nickname: "acme", FullName: "Acme", UserID: "team_acme"}}})
	s.Must(err)
	s.issuer.Provider = provider
	s.Issuer = "" // fal's: the variable is set and empty
	p := newProxy(t, map[string]http.Handler{"auth.fal.ai": s.issuer, falREST: s.issuer, sdkREST: s.issuer, "trap.example.com": http.NotFoundHandler()})
	p.behind(s)
	s.More = append(s.More, "FALCRED_CLIENT_ID=", "FAL_CONFIG_PATH="+s.Base+"/config.toml", "DISPLAY=", "WAYLAND_DISPLAY=")
	return s, p
}

// R13, and the promise of the README: no command, and no daemon, asks anybody
// but the login's issuer and, for a team, fal's REST host. What heeds no proxy
// is seen by strace.
func TestEveryHostContacted(t *testing.T) {
	t.Parallel()
	const attack = "every host that any command contacts, with fal's own defaults (a proxy that is the whole network, and strace)"
	table.NeedRoot(t, attack) // strace reads a process that hides its memory (S4)
	s, p := newFalScene(t)
	strace := table.NeedTool(t, attack, "strace")
	traces := s.Base + "/out/trace"
	ran := 0
	// Under strace, on a busy machine, a connection or an answer can take longer
	// than the daemon gives it.
	tooSlow := regexp.MustCompile(`no connection within|no answer in time`)
	traced := func(stdin, name string, args ...string) (code int) {
		ran++
		s.Eventually("the issuer is reached in time", func() bool {
			cmd := s.command(name, args...)
			cmd.Args = append([]string{strace, "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", traces + fmt.Sprint(time.Now().UnixNano()), cmd.Path}, args...)
			cmd.Path = strace
			var out string
			out, code = s.finish(cmd, stdin)
			if code != 0 {
				t.Logf("%s %s: exit %d\n%s", name, strings.Join(args, " "), code, out)
			}
			return code == 0 || !tooSlow.MatchString(out)
		})
		return code
	}
	if code := traced("", "falcred", "login"); code != 0 {
		t.Fatal("no login: nothing is tested")
	}
	cmd := s.command("falcred", "run")
	cmd.Args = []string{strace, "-D", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", traces + "-daemon", cmd.Path, "run"}
	cmd.Path = strace
	s.launch(cmd)
	s.served()
	commands := [][]string{
		{"falcred", "status"}, {"falcred", "doctor"}, {"falcred", "history"}, {"falcred", "version"}, {"falcred", "team", "list"},
		{"falcred", "team", "set", "acme"}, {"docker-credential-fal", "header"}, {"falcred", "team", "unset"}, {"falcred", "completion", "bash"},
		{"docker-credential-fal", "list"}, {"docker-credential-fal", "token"}, {"docker-credential-fal", "version"}, {"falcred", "login"}, {"falcred", "--help"},
		{"falcred", "service", "status"},
	}
	for _, c := range commands {
		traced("", c[0], c[1:]...)
	}
	s.login(2 * time.Hour) // a refresh
	s.Eventually("a refresh", func() bool { return s.issuer.Stats().Refreshes > 0 })
	traced("https://fal.run", "docker-credential-fal", "get")
	traced("https://fal.run", "docker-credential-fal", "erase")
	traced("", "falcred", "login", "--team", "acme")
	s.served()
	if code := traced("", "falcred", "logout"); code != 0 {
		t.Error("logout failed")
	}
	if stats := s.issuer.Stats(); stats.Revocations == 0 || stats.TeamRequests == 0 || stats.DeviceLogins < 3 {
		t.Errorf("too little was asked for: %+v", stats)
	}
	want := []string{"https://auth.fal.ai:443", "https://" + falREST + ":443"}
	second := func(host string) bool { return host == "https://"+sdkREST+":443" }
	if got := slices.DeleteFunc(p.contacted(), second); !slices.Equal(got, want) {
		t.Errorf("contacted: %q, want %q", got, want)
	}
	past := s.pastTheProxy(p, traces)
	if len(past) > 0 {
		t.Errorf("contacted past the proxy: %q", past)
	}
	table.Report(t, attack, fmt.Sprintf("%d commands and a daemon", ran), strings.Join(want, " and ")+"; nobody else")
}

var internet = regexp.MustCompile(`sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?"([0-9a-f.:]+)"`)

// pastTheProxy lists the addresses in strace's records that are not the proxy's.
func (s *scene) pastTheProxy(p *proxy, traces string) (past []string) {
	s.Helper()
	paths, err := filepath.Glob(traces + "*")
	s.Must(err)
	seen := 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		s.Must(err)
		for _, m := range internet.FindAllStringSubmatch(string(text), -1) {
			seen++
			if address := m[2] + ":" + m[1]; "http://"+address != p.URL {
				past = append(past, filepath.Base(path)+" "+address)
			}
		}
	}
	if seen == 0 {
		s.Error("strace saw no connection at all: nothing is tested")
	}
	return past
}

// R13: no redirect is followed, whatever request it answers, so that nothing of
// it reaches another host.
func TestRedirects(t *testing.T) {
	t.Parallel()
	requests := []struct {
		path, grant string
		ask         func(s *scene)
	}{
		{"/oauth/token", "refresh_token", func(s *scene) { s.login(2 * time.Hour) }},
		{"/oauth/revoke", "", func(s *scene) { s.login(0); s.run("", "falcred", "logout") }},
		{"/oauth/device/code", "", func(s *scene) { s.run("", "falcred", "login") }},
		{"/oauth/token", "urn:ietf:params:oauth:grant-type:device_code", func(s *scene) { s.run("", "falcred", "login") }},
		{"/users/teams", "", func(s *scene) { s.login(0); s.served(); s.run("", "falcred", "team", "list") }},
		{"/.well-known/jwks.json", "", func(s *scene) { s.run("", "falcred", "login") }},
		{"/.well-known/openid-configuration", "", nil},
	}
	codes := []int{301, 302, 303, 307, 308}
	s, p := newFalScene(t)
	s.issuer.SetConfig(func(c *idp.Config) { c.DeviceLife = 3 * time.Second }) // a redirected poll is repeated
	s.serve()
	for _, request := range requests {
		for _, code := range codes {
			met := make(chan bool, 64)
			s.issuer.bent(func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != request.path || r.ParseForm() != nil || request.grant != "" && r.PostForm.Get("grant_type") != request.grant {
					return false
				}
				http.Redirect(w, r, "https://trap.example.com"+r.URL.Path, code)
				met <- true
				return true
			})
			if request.ask == nil {
				s.discoveryOfAnother(p, code)
				continue
			}
			request.ask(s)
			s.Eventually(fmt.Sprintf("%s meets a redirect", request.path), func() bool { return len(met) > 0 })
			if request.grant == "refresh_token" {
				s.wantLines(1, fmt.Sprintf("something between this machine and the issuer answers: status %d", code))
			}
		}
	}
	s.issuer.bent(nil)
	s.login(0)
	s.served()
	for _, host := range p.contacted() {
		if strings.Contains(host, "trap") {
			t.Errorf("a redirect to %s was followed", host)
		}
	}
	s.wantNoLeakIn(s.Logged.String())
	table.Report(t, "redirects (301, 302, 303, 307, 308) of refresh, revocation, device code, device poll, REST host, keys and discovery to another host",
		fmt.Sprintf("%d requests", len(requests)*len(codes)), "none followed; each said without a secret; the login lives")
}

// discoveryOfAnother logs in at an issuer whose discovery redirects.
func (s *scene) discoveryOfAnother(p *proxy, status int) {
	s.Helper()
	other := s.Base + "/other"
	cmd := s.command("falcred", "login")
	cmd.Env = append(cmd.Env, "FALCRED_ISSUER=https://auth.fal.ai/tenant", "FAL_HOME_DIR="+other, "FALCRED_SOCKET="+other+"/s")
	fals := p.play("auth.fal.ai", http.RedirectHandler("https://trap.example.com/.well-known/openid-configuration", status))
	out, code := s.finish(cmd, "")
	p.play("auth.fal.ai", fals)
	if code == 0 || !strings.Contains(out, "discovery") {
		s.Errorf("login by a discovery that redirects: exit %d, %s", code, out)
	}
}

func (s *scene) wantNoLeakIn(text string) {
	s.Helper()
	if leak := s.issuer.secrets.in([]byte(text)); leak != "" {
		s.Errorf("it holds %s:\n%s", leak, text)
	}
}

// R13: a discovery document that names somebody else's endpoints in the clear,
// or is somebody else's, is not believed, and nobody whom it names is asked.
func TestPoisonedDiscovery(t *testing.T) {
	t.Parallel()
	const issuer = "https://id.example.com"
	good := map[string]string{"issuer": issuer, "token_endpoint": issuer + "/token", "device_authorization_endpoint": issuer + "/device",
		"revocation_endpoint": issuer + "/revoke", "jwks_uri": issuer + "/keys"}
	poisons := []string{"http://trap.example.com/x", "http://id.example.com/x", "http://127.0.0.1:1/x", "http://localhost:1/x", "HTTP://trap.example.com/x",
		"https://user:pass@trap.example.com/x", "//trap.example.com/x", "ftp://trap.example.com/x", "file:///etc/passwd", "https:trap.example.com", "javascript:x", "http://[::1]:1/x"}
	tried := 0
	s := newScene(t, idp.Config{})
	var document atomic.Value
	var read atomic.Int64
	p := newProxy(t, map[string]http.Handler{"id.example.com": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/.well-known/openid-configuration" {
			read.Add(1)
			answer(w, 200, document.Load().(string))
			return
		}
		http.Error(w, "down", http.StatusServiceUnavailable)
	}), "trap.example.com": http.NotFoundHandler()})
	p.behind(s)
	s.More = append(s.More, "FALCRED_ISSUER="+issuer, "DISPLAY=")
	for _, member := range []string{"issuer", "token_endpoint", "device_authorization_endpoint", "revocation_endpoint", "jwks_uri"} {
		for _, poison := range poisons {
			bad := []string{}
			for name, value := range good {
				if name == member {
					value = poison
				}
				bad = append(bad, fmt.Sprintf("%q:%q", name, value))
			}
			document.Store("{" + strings.Join(bad, ",") + "}")
			if out, code := s.run("", "falcred", "login"); code != 1 || !strings.Contains(out, "discovery document of "+issuer) && !strings.Contains(out, "discovery document at "+issuer) || strings.Contains(out, "pass@") {
				t.Errorf("%s is %q: exit %d, %s", member, poison, code, out)
			}
			tried++
		}
	}
	// A daemon says once why it cannot refresh, and once why requests are refused, however often it is
	// asked and tries again.
	refresh, _ := s.login(0)
	s.write(refresh + "\nan-opaque-access-token") // which may be anybody's
	s.serve()
	for range 20 {
		s.get()
	}
	before := read.Load()
	s.Eventually("it has tried again", func() bool { return read.Load() > before+1 })
	s.wantLines(2, "discovery document of "+issuer)
	s.end(syscall.SIGTERM)
	if got := p.contacted(); !slices.Equal(got, []string{issuer + ":443"}) {
		t.Errorf("contacted: %q", got)
	}
	// The document as it should be is believed: what failed was the poison.
	document.Store(fmt.Sprintf(`{"issuer":%q,"token_endpoint":%q,"device_authorization_endpoint":%q,"jwks_uri":%q}`,
		issuer, good["token_endpoint"], good["device_authorization_endpoint"], good["jwks_uri"]))
	if out, _ := s.run("", "falcred", "login"); !strings.Contains(out, "gave no code") {
		t.Errorf("with a good document: %s", out)
	}
	table.Report(t, "a poisoned discovery document: endpoints in the clear, on loopback, with userinfo, of other schemes, another issuer's", fmt.Sprintf("%d documents", tried), "refused; only the issuer itself was asked")
}

// R13: a login goes to its own issuer only.
func TestForeignIssuer(t *testing.T) {
	t.Parallel()
	s := newScene(t, idp.Config{})
	thief := newIssuer(t, idp.Config{})
	stolen := make(chan string, 16)
	thief.bent(func(_ http.ResponseWriter, r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if leak := s.issuer.secrets.in(body); leak != "" {
			stolen <- leak
		}
		return false
	})
	// A home that another issuer's login has been used in, and fal's by its name.
	s.login(2 * time.Hour)
	s.serve()
	s.Eventually("the home is used", func() bool { return s.issuer.Stats().Refreshes > 0 })
	s.end(syscall.SIGTERM)
	s.Must(os.Mkdir(s.Base+"/.fal", 0o700))
	s.login(2 * time.Hour)
	s.copyLogin(s.Base + "/.fal/auth0_token")
	for _, home := range []string{s.Home, s.Base + "/.fal"} {
		for _, args := range [][]string{{"logout"}, {"login"}, {"run"}, {"team", "list"}} {
			cmd := s.command("falcred", args...)
			cmd.Env = append(cmd.Env, "FALCRED_ISSUER="+thief.URL, "FAL_HOME_DIR="+home, "FALCRED_SOCKET="+home+"/falcred.sock", "FAL_REST_HOST=", "DISPLAY=")
			if out, code := s.finish(cmd, ""); code != 1 && !(args[0] == "run" && code == exitMistake) {
				t.Errorf("%v in %s with a foreign issuer: exit %d, %s", args, home, code, out)
			}
		}
	}
	if n := thief.Stats().TokenRequests; n != 0 || len(stolen) > 0 {
		t.Errorf("the foreign issuer had %d token requests, and was told %d secrets", n, len(stolen))
	}
	table.Report(t, "a foreign FALCRED_ISSUER against a home of another's, and against ~/.fal", "8 commands", "refused; the foreign issuer was sent no token")
}

func (s *scene) copyLogin(to string) {
	s.Helper()
	data, err := os.ReadFile(s.File)
	s.Must(err)
	s.Must(os.WriteFile(to, data, 0o600))
}
