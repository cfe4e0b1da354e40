//go:build linux && system

package attacks

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"golang.org/x/sys/unix"
)

const plantedKey = "key-id:plantedkeyplantedkeyplantedkey"

// S4, R12: no refresh token, access token, device code or key is found in
// anything that a command prints, the daemon logs at any level, a crash says,
// a child is given, or a file holds that is not the login's own.
func TestSecretsStayWhereTheyBelong(t *testing.T) {
	levels := []string{"debug", "info", "warn", "error"}
	endings := []syscall.Signal{syscall.SIGTERM, syscall.SIGABRT, syscall.SIGQUIT}
	var looked, planted, tries atomic.Int64
	t.Cleanup(func() {
		table.Report(t, "a whole-tree search for every secret, after each command, fault, log level and crash",
			fmt.Sprintf("%d tries, %d secrets, %d files", tries.Load(), planted.Load(), looked.Load()),
			"found in the token file, falcred.env and the answers that are meant to hold them; nowhere else")
	})
	for n := range 8 {
		level, asJSON := levels[n%4], n >= 4
		t.Run(fmt.Sprintf("%s, JSON %v", level, asJSON), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, idp.Config{AutoApprove: true, Interval: time.Second, Overlap: time.Minute,
				Teams: []idp.Team{{Nickname: "acme", FullName: "Acme", UserID: "team_acme"}}})
			s.plant()
			s.login(0)
			s.serve("--log-level", level, "--log-json="+strconv.FormatBool(asJSON))
			s.served()
			if n%2 == 0 {
				s.More = append(s.More, "FAL_FORCE_AUTH_BY_USER=1") // the commands print the login, else the daemon's key
			}
			tries.Add(int64(s.everyFault() + s.everyCommand()))
			s.overTheProcess()
			ending := endings[n%3]
			if status := s.end(ending); status.CoreDump() {
				t.Error("it left a core")
			}
			if text := s.Logged.String(); ending == syscall.SIGQUIT && !strings.Contains(text, "goroutine ") {
				t.Error("no crash output: nothing is tested")
			}
			tries.Add(int64(s.withoutDaemon()))
			looked.Add(int64(s.wantNoLeak()))
			planted.Add(int64(s.issuer.secrets.count()))
		})
	}
}

// plant sets up a key, and children that write down what they are given.
func (s *scene) plant() {
	s.Helper()
	s.issuer.secrets.add(plantedKey[7:])
	snoop := s.Base + "/snoop"
	s.Must(os.Mkdir(snoop, 0o700))
	s.Must(os.WriteFile(snoop+"/xdg-open", []byte("#!/bin/sh\ncat /proc/$$/environ /proc/$$/cmdline /proc/$PPID/cmdline >"+s.Base+"/out/child-$$\n"), 0o700))
	s.Must(os.WriteFile(s.Home+"/falcred.env", []byte("FAL_KEY="+plantedKey+"\nFALCRED_ON_CHANGE="+snoop+"/xdg-open\nFAL_REST_HOST="+s.issuer.URL+"\n"), 0o600))
	s.More = append(s.More, "PATH="+snoop+":"+os.Getenv("PATH"), "DISPLAY=:7", "FAL_CONFIG_PATH="+s.Base+"/config.toml",
		"GOTRACEBACK=crash", "FALCRED_SHARE_SOCKET="+s.Base+"/share/sock")
	s.Must(os.Mkdir(s.Base+"/share", 0o700))
	s.Must(os.Mkdir(s.Base+"/elsewhere", 0o700))
}

// get is of the login, whatever key is planted.
const getLogin = `get {"ServerURL":"https://fal.run","ForceUser":true}`

// quotes are answers that hold the refresh token which was sent.
var quotes = map[string]func(w http.ResponseWriter, token string){
	"500, quoting it as text": func(w http.ResponseWriter, token string) {
		http.Error(w, "cannot rotate "+token, 500)
	},
	"400, quoting it as the error": func(w http.ResponseWriter, token string) {
		answer(w, 400, fmt.Sprintf(`{"error":%q,"error_description":%q,"error_uri":"https://x/%s"}`, token, token, token))
	},
	"400 invalid_grant, quoting it": func(w http.ResponseWriter, token string) {
		answer(w, 400, fmt.Sprintf(`{"error":"invalid_grant","error_description":%q}`, token))
	},
	"302, quoting it in Location": func(w http.ResponseWriter, token string) {
		w.Header().Set("Location", "http://127.0.0.1:1/"+token)
		w.WriteHeader(302)
	},
	"403, quoting it as the content type": func(w http.ResponseWriter, token string) {
		w.Header().Set("Content-Type", "text/"+token+"; charset="+token)
		w.WriteHeader(403)
	},
	"429, quoting it in Retry-After": func(w http.ResponseWriter, token string) {
		w.Header().Set("Retry-After", token)
		w.WriteHeader(429)
	},
	"200, quoting it in wrong JSON": func(w http.ResponseWriter, token string) {
		answer(w, 200, `{"access_token":{"`+token+`":1},"token_type":"`+token)
	},
	"200, quoting it as a number's place": func(w http.ResponseWriter, token string) {
		answer(w, 200, fmt.Sprintf(`{"expires_in":%q,"error":%q}`, token, token))
	},
	"a malformed status line": func(w http.ResponseWriter, token string) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprintf(c, "HTTP/1.1 %s nonsense\r\n\r\n", token)
			c.Close()
		}
	},
	"a malformed header": func(w http.ResponseWriter, token string) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			fmt.Fprintf(c, "HTTP/1.1 200 OK\r\n%s\r\n\r\n", token)
			c.Close()
		}
	},
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// everyFault has a refresh meet each of them: a new login is due at once.
func (s *scene) everyFault() (tries int) {
	s.Helper()
	for name, quote := range quotes {
		asked := make(chan bool, 16)
		s.issuer.bent(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/oauth/token" || r.ParseForm() != nil || r.PostForm.Get("refresh_token") == "" {
				return false
			}
			quote(w, r.PostForm.Get("refresh_token"))
			asked <- true
			return true
		})
		s.login(2 * time.Hour)
		s.Eventually("the issuer quotes: "+name, func() bool { return len(asked) > 0 })
		s.Ask("status", nil)
		tries++
	}
	s.issuer.bent(nil)
	for _, fault := range []idp.Fault{idp.Refuse(), idp.Cut(), idp.Lose(), idp.HTML(200), idp.Label("text/html"), idp.WrongSignature()} {
		s.issuer.Inject(fault)
		before := s.issuer.Stats().TokenRequests
		s.login(2 * time.Hour)
		s.Eventually("a refresh meets: "+fault.Name, func() bool { return s.issuer.Stats().TokenRequests > before })
		tries++
	}
	return tries
}

// everyCommand runs all that can meet a secret, well and badly.
func (s *scene) everyCommand() (tries int) {
	s.Helper()
	s.login(0)
	s.Eventually("the login is served again", func() bool { return s.Ask(getLogin, nil) == nil })
	offered, _, _ := s.issuer.Login("ann")
	s.issuer.secrets.add(offered)
	store := func(username, secret string) string {
		return fmt.Sprintf(`{"ServerURL":"https://fal.run","Username":%q,"Secret":%q}`, username, secret)
	}
	var ran []string
	for _, c := range []struct {
		stdin string
		args  []string
	}{
		{"", []string{"falcred", "status"}}, {"", []string{"falcred", "status", "--json"}}, {"", []string{"falcred", "doctor"}},
		{"", []string{"falcred", "whoami"}}, {"", []string{"falcred", "whoami", "--json"}}, {"", []string{"falcred", "token"}},
		{"", []string{"falcred", "history"}}, {"", []string{"falcred", "version"}}, {"", []string{"falcred", "team", "list"}},
		{"", []string{"falcred", "help"}}, {"", []string{"falcred", "completion", "bash"}}, {"", []string{"falcred", "service", "status"}}, {"", []string{"falcred", "run"}},
		{"", []string{"falcred", "team", "set", "acme"}}, {"", []string{"falcred", "team", "unset"}},
		{"https://fal.run", []string{"docker-credential-fal", "get"}}, {`{"uri":"https://fal.run/x"}`, []string{"docker-credential-fal", "get"}},
		{"", []string{"docker-credential-fal", "list"}}, {"", []string{"docker-credential-fal", "header"}}, {"", []string{"docker-credential-fal", "token"}},
		{"", []string{"docker-credential-fal", "version"}}, {"https://example.com", []string{"docker-credential-fal", "get"}},
		{store("", offered), []string{"docker-credential-fal", "store"}}, {store("user", offered), []string{"docker-credential-fal", "store"}},
		{store("<token>", offered) + offered, []string{"docker-credential-fal", "store"}},
		{store("<token>", offered), []string{"docker-credential-fal", "store"}}, {store("<token>", offered), []string{"docker-credential-fal", "store"}},
		{`{"ServerURL":"` + offered + `"}`, []string{"docker-credential-fal", "erase"}}, {"\x00" + offered, []string{"docker-credential-fal", "get"}},
		{"", []string{"falcred", "login"}}, {"", []string{"falcred", "login", "--qr=always"}}, {"", []string{"falcred", "logout"}}, {"", []string{"falcred", "login"}},
	} {
		if code := s.heard(c.stdin, c.args...); code != 0 && (c.args[1] == "token" || c.args[1] == "header") {
			s.Errorf("%v exits with %d: nothing is tested", c.args, code)
		}
		if c.args[0] == "falcred" {
			ran = append(ran, c.args[1])
		}
		tries++
	}
	watching := [][]string{{"falcred", "status", "--watch"}, {"falcred", "status", "--watch", "--json"}, {"falcred", "follow", s.Base + "/share/sock"}}
	s.throughAChange(watching...)
	s.wantAllCommands(append(ran, "follow"))
	return tries + len(watching) + s.overTheSockets(s.Sock, s.Base+"/share/sock")
}

// heard runs a command and keeps what it printed, without the access token or
// key that it is there to print.
func (s *scene) heard(stdin string, args ...string) (code int) {
	s.Helper()
	meant := append(s.inFile(), plantedKey)
	out, code := s.run(stdin, args[0], args[1:]...)
	meant = append(meant, s.inFile()...) // a refresh may have come in between
	if slices.Contains([]string{"get", "header", "token"}, args[len(args)-1]) {
		for _, value := range meant {
			out = strings.ReplaceAll(out, value, "")
		}
	}
	name := strings.ReplaceAll(strings.Join(args, " "), "/", "_")
	s.Must(os.WriteFile(filepath.Join(s.Base, "out", fmt.Sprintf("%d %s", time.Now().UnixNano(), name)), []byte(out), 0o600))
	return code
}

// inFile is the access token that the file holds.
func (s *scene) inFile() []string {
	data, _ := os.ReadFile(s.File)
	_, access, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	if access == "" {
		return nil
	}
	return []string{access}
}

// withoutDaemon runs what works in the home itself, with the issuer quoting.
func (s *scene) withoutDaemon() (tries int) {
	s.Helper()
	s.heard("", "falcred", "login")
	for _, path := range []string{"/oauth/revoke", "/oauth/device/code", "/oauth/token", "/users/teams"} {
		s.issuer.bent(func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != path {
				return false
			}
			r.ParseForm()
			said := r.PostForm.Get("token") + r.PostForm.Get("device_code") + r.Header.Get("Authorization")
			answer(w, 400, fmt.Sprintf(`{"error":%q,"error_description":%q}`, said, said))
			return true
		})
		for _, args := range [][]string{{"falcred", "logout"}, {"falcred", "login"}, {"falcred", "team", "list"}, {"falcred", "status"}, {"docker-credential-fal", "token"}} {
			s.heard("", args...)
			tries++
		}
	}
	s.issuer.bent(nil)
	s.heard("", "falcred", "history")
	for _, command := range []string{"restart", "stop"} { // a daemon starts, which stop ends
		if code := s.heard("", "falcred", command); code != 0 {
			s.Errorf("falcred %s exits with %d: nothing is tested", command, code)
		}
	}
	return tries + 4
}

// overTheProcess keeps what `ps` shows of the daemon.
func (s *scene) overTheProcess() {
	s.Helper()
	for _, name := range []string{"cmdline", "environ", "status", "comm"} {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, name))
		if err != nil && os.Getuid() == 0 {
			s.Error(err)
		}
		s.Must(os.WriteFile(s.Base+"/out/daemon-"+name, data, 0o600))
	}
}

// wantNoLeak searches the whole tree of the scene.
func (s *scene) wantNoLeak() (files int) {
	s.Helper()
	s.Must(os.WriteFile(s.Base+"/out/log", []byte(s.Logged.String()), 0o600))
	found, files, err := s.issuer.secrets.search(s.Base)
	s.Must(err)
	if children, _ := filepath.Glob(s.Base + "/out/child-*"); len(children) < 2 {
		s.Error("no child was started: their environment is not tested")
	}
	for _, name := range found {
		if name != "home/auth0_token" && name != "home/falcred.env" {
			data, _ := os.ReadFile(filepath.Join(s.Base, name))
			s.Errorf("%s holds %s\n%s", name, s.issuer.secrets.in(data), bytes.ReplaceAll(data[:min(len(data), 4000)], []byte{0}, []byte("\n")))
		}
	}
	if info, err := os.Stat(s.File); err == nil && info.Mode().Perm() != 0o600 {
		s.Errorf("the token file has the mode %v", info.Mode())
	}
	return files
}

// S4: a daemon that is made to abort leaves no core, whatever limits it was
// started with. A program that may leave one shows that this machine would.
func TestNoCore(t *testing.T) {
	const attack = "SIGABRT, SIGQUIT and SIGSEGV to a daemon that was started with unlimited cores"
	s := newScene(t, idp.Config{})
	var before unix.Rlimit
	s.Must(unix.Getrlimit(unix.RLIMIT_CORE, &before))
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: before.Max, Max: before.Max}); err != nil || before.Max == 0 {
		table.Missing(t, attack, "a hard limit that allows cores")
	}
	defer unix.Setrlimit(unix.RLIMIT_CORE, &before)
	control := exec.Command("sh", "-c", "kill -ABRT $$")
	control.Dir = t.TempDir()
	control.Run()
	proved := "; the machine would have kept one"
	if !control.ProcessState.Sys().(syscall.WaitStatus).CoreDump() {
		proved = "; this machine keeps none of any program's"
	}
	s.More = append(s.More, "GOTRACEBACK=crash")
	signals := []syscall.Signal{syscall.SIGABRT, syscall.SIGQUIT, syscall.SIGSEGV}
	for _, signal := range signals {
		s.login(0)
		s.serve()
		s.served()
		if status := s.end(signal); status.CoreDump() {
			t.Errorf("%v left a core", signal)
		}
	}
	found, _, err := s.issuer.secrets.search(s.Base)
	s.Must(err)
	if !slices.Equal(found, []string{"home/auth0_token"}) {
		t.Errorf("secrets are in %q", found)
	}
	if leak := s.issuer.secrets.in([]byte(s.Logged.String())); leak != "" {
		t.Errorf("the crash output holds %s", leak)
	}
	table.Report(t, attack, "3 signals", "no core, no secret in the crash output"+proved)
}
