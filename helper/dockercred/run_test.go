package dockercred

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
	falenv "github.com/falcred/falcred/protocol/env"
)

// outcome is what a caller of the program sees.
type outcome struct {
	out, err string
	code     int
}

func runIn(env map[string]string, stdin string, args ...string) outcome {
	var out, err bytes.Buffer
	code := Run(args, strings.NewReader(stdin), &out, &err, testdaemon.Lookup(env))
	return outcome{out.String(), err.String(), code}
}

// empty is an environment without key, login or daemon.
func empty(t *testing.T, pairs ...string) map[string]string {
	env := map[string]string{homeVariable: testkit.ShortDir(t), "PATH": "", "XDG_RUNTIME_DIR": ""}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return env
}

// with is an environment whose daemon gives one answer to everything.
func with(t *testing.T, answer any) map[string]string {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), func(r protocol.Request) any {
		if answer == nil {
			return testdaemon.Bearer(r)
		}
		return answer
	})
	return empty(t, "FALCRED_SOCKET", s.Path)
}

const notFound = "credentials not found in native keychain\n"

func TestGetWithAKeyNeedsNoDaemon_Section5(t *testing.T) {
	env := empty(t, "FAL_KEY", "a:b")
	want := outcome{out: `{"ServerURL":"https://fal.run/x","Username":"Key","Secret":"a:b"}` + "\n"}
	for _, stdin := range []string{"https://fal.run/x", "https://fal.run/x\n", " https://fal.run/x\r\n", "{\n \"ServerURL\":\"https://fal.run/x\"\n}\n"} {
		if got := runIn(env, stdin, "get"); got != want {
			t.Errorf("%q: %+v", stdin, got)
		}
	}
}

func TestKeyRuleAtThisEnd_Section5(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want string // what token prints
		sent []string
	}{
		{[]string{"FAL_KEY", "k"}, "k\n", nil},
		{[]string{"FAL_KEY", "k", "FAL_KEY_ID", "i", "FAL_KEY_SECRET", "s"}, "k\n", nil},
		{[]string{"FAL_KEY_ID", "i", "FAL_KEY_SECRET", "s"}, "i:s\n", nil},
		{[]string{"FAL_KEY", "", "FAL_KEY_ID", "i"}, "token\n", []string{"get https://fal.run"}},
		{nil, "token\n", []string{"get https://fal.run"}},
		{[]string{"FAL_KEY", "k", "FAL_FORCE_AUTH_BY_USER", "true"}, "k\n", nil},
		{[]string{"FAL_KEY", "k", "FAL_FORCE_AUTH_BY_USER", "1"}, "token\n", []string{`get {"ServerURL":"https://fal.run","ForceUser":true}`}},
		{[]string{"FAL_FORCE_AUTH_BY_USER", "0"}, "token\n", []string{"get https://fal.run"}},
	} {
		s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
		got := runIn(empty(t, append(tt.env, "FALCRED_SOCKET", s.Path)...), "", "token")
		if got != (outcome{out: tt.want}) || !slices.Equal(s.Lines(), tt.sent) {
			t.Errorf("%q: %+v, sent %q", tt.env, got, s.Lines())
		}
	}
}

func TestForeignServersGetNeitherKeyNorQuestion_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	for _, env := range []map[string]string{
		empty(t, "FALCRED_SOCKET", s.Path, "FAL_KEY", "k"),
		empty(t, "FALCRED_SOCKET", s.Path),
	} {
		for _, server := range []string{"https://fal.run.example.com", "https://fal.run@example.com", "http://fal.run", "example.com", "https://user:hunter2@fal.run"} {
			for _, got := range []outcome{runIn(env, server, "get"), runIn(env, server, "erase"), runIn(env, `{"uri":"`+server+`"}`, "get")} {
				if got.out != notFound || got.code != 1 || strings.Contains(got.err, "hunter2") {
					t.Errorf("%s: %+v", server, got)
				}
			}
			for _, verb := range []string{"header", "token"} {
				if got := runIn(env, "", verb, server); got.out != "" || got.code != 1 || !strings.HasPrefix(got.err, "that is not one of fal's servers") {
					t.Errorf("%s %s: %+v", verb, server, got)
				}
			}
			stored := runIn(env, `{"ServerURL":"`+server+`","Username":"u","Secret":"s"}`, "store")
			if stored.code != 1 || stored.out == "" {
				t.Errorf("store %s: %+v", server, stored)
			}
		}
	}
	if lines := s.Lines(); len(lines) != 0 {
		t.Errorf("the daemon was asked: %q", lines)
	}
}

func TestThisEndsOwnHostsExtendWhatIsAnswered_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	env := empty(t, "FALCRED_SOCKET", s.Path, "FAL_RUN_HOST", "run.example.com")
	got := runIn(env, "https://run.example.com/x", "get")
	if got.code != 0 || !strings.HasPrefix(got.out, `{"ServerURL":"https://run.example.com/x","Username":"Bearer","Secret":"token"`) {
		t.Errorf("%+v", got)
	}
	if want := []string{"get https://fal.run"}; !slices.Equal(s.Lines(), want) {
		t.Errorf("sent %q: the daemon need not know the host", s.Lines())
	}
	if got := runIn(env, "https://run.example.com", "erase"); got.out != notFound || got.code != 1 {
		t.Errorf("erase acts only on fal's hosts: %+v", got)
	}
	if got := runIn(empty(t, "FALCRED_SERVERS", "http://example.com", "FAL_KEY", "k"), "fal.run", "get"); got.code != 1 || !strings.Contains(got.out, "FALCRED_SERVERS") {
		t.Errorf("a mistake in FALCRED_SERVERS: %+v", got)
	}
}

func TestGetPrintsWhatTheDaemonSays_Section4(t *testing.T) {
	got := runIn(with(t, nil), "https://fal.run\n", "get")
	want := `{"ServerURL":"https://fal.run","Username":"Bearer","Secret":"token","Expires":"2026-08-01T12:00:00Z","Headers":{"X-Fal-User-Id":"u1"}}` + "\n"
	if got != (outcome{out: want}) {
		t.Errorf("%+v", got)
	}
}

func TestGetAnswersBazel_Section4(t *testing.T) {
	got := runIn(with(t, nil), `{"uri":"https://fal.run/x","later":1}`, "get")
	want := `{"headers":{"Authorization":["Bearer token"],"X-Fal-User-Id":["u1"]},"expires":"2026-08-01T12:00:00Z"}` + "\n"
	if got != (outcome{out: want}) {
		t.Errorf("%+v", got)
	}
	got = runIn(empty(t), `{"uri":"https://fal.run/x"}`, "get")
	if got.code != 1 || got.out != notFound || !strings.HasPrefix(got.err, notFound) {
		t.Errorf("Bazel looks at standard error: %+v", got)
	}
}

func TestHeaderAndToken_Section4(t *testing.T) {
	env := with(t, nil)
	for _, args := range [][]string{{"header"}, {"header", "https://queue.fal.run/x"}, {"header", "fal.ai"}} {
		if got := runIn(env, "", args...); got != (outcome{out: "Authorization: Bearer token\nX-Fal-User-Id: u1\n"}) {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := runIn(env, "", "token"); got != (outcome{out: "token\n"}) {
		t.Errorf("%+v", got)
	}
}

func TestExitCodes_Section4(t *testing.T) {
	for code, want := range map[protocol.Code]int{
		protocol.CodeNotFound: 1, protocol.CodeNoServerURL: 1, protocol.CodeLoginRequired: 3, protocol.CodeUnavailable: 75,
		protocol.CodeTeamUnresolved: 75, protocol.CodeBadRequest: 1, protocol.CodeDenied: 1, protocol.CodeInternal: 1, "later": 1,
	} {
		env := with(t, protocol.Errorf(code, "the message\nthe hint"))
		for _, verb := range []string{"header", "token"} {
			if got := runIn(env, "", verb); got != (outcome{"", "the message\nthe hint\n", want}) {
				t.Errorf("%s %s: %+v", verb, code, got)
			}
		}
		for verb, stdin := range map[string]string{"get": "fal.run", "erase": "fal.run", "store": `{"ServerURL":"fal.run","Username":"u","Secret":"s"}`} {
			if got := runIn(env, stdin, verb); got != (outcome{"the message\n", "the hint\n", 1}) {
				t.Errorf("%s %s: %+v", verb, code, got)
			}
		}
	}
	for code, hint := range map[protocol.Code]string{protocol.CodeLoginRequired: "fal auth login", protocol.CodeNotFound: "fal auth login", protocol.CodeUnavailable: "later"} {
		if got := runIn(with(t, protocol.Errorf(code, "m")), "fal.run", "get"); got.out != "m\n" || !strings.Contains(got.err, hint) {
			t.Errorf("%s has no hint: %+v", code, got)
		}
	}
}

func TestWithoutALoginNothingIsStarted_Section3(t *testing.T) {
	env := empty(t)
	for verb, stdin := range map[string]string{"get": "https://fal.run", "erase": "https://fal.run"} {
		if got := runIn(env, stdin, verb); got.out != notFound || got.code != 1 || !strings.Contains(got.err, "fal auth login") {
			t.Errorf("%s: %+v", verb, got)
		}
	}
	for _, verb := range []string{"header", "token"} {
		if got := runIn(env, "", verb); got.out != "" || got.code != 1 || !strings.HasPrefix(got.err, "nobody is logged in") {
			t.Errorf("%s: %+v", verb, got)
		}
	}
	if got := runIn(env, "", "list"); got != (outcome{out: "{}\n"}) {
		t.Errorf("list: %+v", got)
	}
	if left, _ := os.ReadDir(env["HOME"]); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAUTOSTART0OnlySaysThatNobodyRuns_Section3(t *testing.T) {
	home := testkit.ShortDir(t)
	login(t, home)
	env := empty(t, "FAL_HOME_DIR", home, "FALCRED_AUTOSTART", "0")
	if got := runIn(env, "fal.run", "get"); got.out != "falcred is not running\n" || !strings.Contains(got.err, "falcred run") || got.code != 1 {
		t.Errorf("%+v", got)
	}
	if got := runIn(env, "", "token"); got.out != "" || got.code != 75 || !strings.HasPrefix(got.err, "falcred is not running\n") {
		t.Errorf("%+v", got)
	}
	if left, _ := os.ReadDir(home); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func login(t *testing.T, home string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(home, falenv.TokenFile), []byte("refresh"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestListSaysWhatGetWouldGive_Section5(t *testing.T) {
	for _, tt := range []struct {
		env  map[string]string
		want string
	}{
		{empty(t, "FAL_KEY", "k"), `{"https://fal.ai":"Key","https://fal.run":"Key"}`},
		{empty(t, "FAL_KEY", "k", "FAL_RUN_HOST", "x.example.com"), `{"https://fal.ai":"Key","https://fal.run":"Key","https://queue.x.example.com":"Key","https://ws.x.example.com":"Key","https://x.example.com":"Key"}`},
		{with(t, nil), `{"https://fal.ai":"Bearer","https://fal.run":"Bearer"}`},
		{with(t, protocol.ErrNotFound), `{}`},
	} {
		if got := runIn(tt.env, "", "list"); got != (outcome{out: tt.want + "\n"}) {
			t.Errorf("%+v, want %s", got, tt.want)
		}
	}
	if got := runIn(with(t, protocol.Errorf(protocol.CodeLoginRequired, "m")), "", "list"); got.code != 1 || got.out != "m\n" {
		t.Errorf("a failure is no empty list: %+v", got)
	}
}

func TestStandardInputSmugglesNothing_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	env := empty(t, "FALCRED_SOCKET", s.Path)
	for _, stdin := range []string{
		"https://fal.run\nerase https://fal.run", "https://fal.run\r\nx", "https://fal.run\n.example.com", "fal.run\x00", "fal.run\tx", "fal.run\xff",
		`{"ServerURL":"fal.run\nerase fal.run"}`, "{\"ServerURL\":\"fal.run\n\"}", `{"ServerURL":"fal.run","Rejected":"a\u000ab"}`,
		`{"ServerURL":"fal.run","ServerURL":"fal.ai"}`, `{"uri":"https://fal.run\nx"}`, strings.Repeat("a", protocol.MaxLine+1),
	} {
		for _, verb := range []string{"get", "erase"} {
			if got := runIn(env, stdin, verb); got.code != 1 || got.out == "" || strings.Contains(got.out, "token\"") {
				t.Errorf("%s %.40q: %+v", verb, stdin, got)
			}
		}
		if got := runIn(env, `{"ServerURL":"fal.run","Username":"u","Secret":`+"\"a\nb\"}", "store"); got.code != 1 {
			t.Errorf("store: %+v", got)
		}
	}
	for _, arg := range []string{"https://fal.run\nX: y", "fal.run\r", "", " "} {
		if got := runIn(env, "", "header", arg); got.code != 1 || got.out != "" {
			t.Errorf("%q: %+v", arg, got)
		}
	}
	if lines := s.Lines(); len(lines) != 0 {
		t.Errorf("sent %q", lines)
	}
}

func TestAKeyWithALineBreakIsNoHeader_Section4(t *testing.T) {
	env := empty(t, "FAL_KEY", "k\nX-Other: y")
	for _, verb := range []string{"header", "token"} {
		if got := runIn(env, "", verb); got.code != 1 || got.out != "" || !strings.Contains(got.err, "FAL_KEY") || strings.Contains(got.err, "X-Other") {
			t.Errorf("%s: %+v", verb, got)
		}
	}
}

func TestDockersContract_Section4(t *testing.T) {
	env := empty(t)
	for _, tt := range []struct {
		args  []string
		stdin string
		out   string // a prefix
		code  int
	}{
		{nil, "", "Usage: docker-credential-fal <store|get|erase|list|version>\n", 1},
		{[]string{"get", "x"}, "", "Usage: ", 1},
		{[]string{"--help"}, "", help + "\n", 0},
		{[]string{"-h"}, "", "Usage: ", 0},
		{[]string{"version"}, "", "docker-credential-fal (github.com/falcred/falcred) ", 0},
		{[]string{"--version"}, "", "docker-credential-fal (github.com/falcred/falcred) ", 0},
		{[]string{"-v"}, "", "docker-credential-fal (github.com/falcred/falcred) ", 0},
		{[]string{"frobnicate"}, "", "docker-credential-fal: unknown action: \"frobnicate\"\n", 1},
		{[]string{"get"}, "", "no credentials server URL\n", 1},
		{[]string{"get"}, " \n", "no credentials server URL\n", 1},
		{[]string{"erase"}, "", "no credentials server URL\n", 1},
		{[]string{"store"}, `{"Username":"u","Secret":"s"}`, "no credentials server URL\n", 1},
		{[]string{"store"}, `{"ServerURL":"fal.run","Secret":"s"}`, "no credentials username\n", 1},
		{[]string{"store"}, ``, "malformed JSON object\n", 1},
		{[]string{"header", "a", "b"}, "", "", 1},
	} {
		got := runIn(env, tt.stdin, tt.args...)
		if got.code != tt.code || !strings.HasPrefix(got.out, tt.out) || tt.out == "" && got.out != "" {
			t.Errorf("%q: %+v", tt.args, got)
		}
	}
}

func TestStoreAndErasePrintNothing_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	env := empty(t, "FALCRED_SOCKET", s.Path)
	if got := runIn(env, "{\n\"ServerURL\": \"https://fal.run\",\n\"Username\": \"<token>\", \"Secret\": \"r\"}\n", "store"); got != (outcome{}) {
		t.Errorf("%+v", got)
	}
	if got := runIn(env, "https://fal.run\n", "erase"); got != (outcome{}) {
		t.Errorf("%+v", got)
	}
	want := []string{`store {"ServerURL":"https://fal.run","Username":"<token>","Secret":"r"}`, "erase https://fal.run"}
	if !slices.Equal(s.Lines(), want) {
		t.Errorf("sent %q", s.Lines())
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestAFailedWriteIsAFailure_Section4(t *testing.T) {
	var stderr bytes.Buffer
	env := testdaemon.Lookup(empty(t, "FAL_KEY", "k"))
	for _, verb := range []string{"get", "list", "header", "token", "version"} {
		if code := Run([]string{verb}, strings.NewReader("fal.run"), fullDisk{}, &stderr, env); code == 0 {
			t.Errorf("%s succeeds", verb)
		}
	}
}

func TestTheBinaryIsTheSame_Section4(t *testing.T) {
	env := append(os.Environ(), "FAL_HOME_DIR="+testkit.ShortDir(t), "XDG_RUNTIME_DIR=")
	for _, tt := range []struct {
		arg, stdin, key, out string
		code                 int
	}{
		{"get", "https://fal.run\n", "", notFound, 1},
		{"get", "https://fal.run\n", "a:b", `{"ServerURL":"https://fal.run","Username":"Key","Secret":"a:b"}` + "\n", 0},
		{"header", "", "a:b", "Authorization: Key a:b\n", 0},
		{"header", "", "", "", 1},
		{"token", "", "", "", 1},
		{"list", "", "", "{}\n", 0},
	} {
		cmd := exec.Command(bin, tt.arg)
		cmd.Env = append(env, "FAL_KEY="+tt.key)
		cmd.Stdin = strings.NewReader(tt.stdin)
		out, err := cmd.Output()
		if string(out) != tt.out || cmd.ProcessState.ExitCode() != tt.code {
			t.Errorf("%s: %q, %v", tt.arg, out, err)
		}
	}
}

// The published form of credential helpers for build tools (EngFlow's
// credential-helper-spec): headers are arrays, expires is RFC 3339 and left out
// where there is none, more members are no mistake, and whatever fails does so
// with a status other than 0 and a line on standard error.
func TestBazelConformance_Section4(t *testing.T) {
	type reply struct {
		Headers map[string][]string `json:"headers"`
		Expires *string             `json:"expires"`
	}
	ask := func(env map[string]string, in string) (r reply) {
		t.Helper()
		got := runIn(env, in, "get")
		decoder := json.NewDecoder(strings.NewReader(got.out))
		decoder.DisallowUnknownFields() // the output should hold nothing else
		if err := decoder.Decode(&r); err != nil || got.code != 0 || got.err != "" {
			t.Fatalf("%s: %+v, %v", in, got, err)
		}
		return r
	}
	env := with(t, nil)
	for _, in := range []string{
		`{"uri":"https://fal.run/rest/endpoint?q=1"}`, `{ "uri" : "https://queue.fal.run" , "more" : {"a":[1]} }` + "\n",
		"{\n\t\"uri\": \"https://fal.run\"\n}", `{"uri":"https:\/\/fal.run"}`,
	} {
		r := ask(env, in)
		if !slices.Equal(r.Headers["Authorization"], []string{"Bearer token"}) || r.Expires == nil {
			t.Errorf("%s: %+v", in, r)
		} else if _, err := time.Parse(time.RFC3339, *r.Expires); err != nil {
			t.Errorf("%s: expires %v", in, err)
		}
	}
	key := maps.Clone(env)
	key["FAL_KEY"] = "id:key"
	if r := ask(key, `{"uri":"https://fal.run"}`); r.Headers["Authorization"][0] != "Key id:key" || r.Expires != nil {
		t.Errorf("with a key: %+v", r)
	}
	for _, in := range []string{
		`{"uri":"grpcs://fal.run/Service/Method"}`, `{"uri":"http://fal.run"}`, `{"uri":"https://example.com"}`, `{"uri":""}`, `{"uri":5}`, `{"uri":null}`,
	} {
		if got := runIn(env, in, "get"); got.code == 0 || got.err == "" || strings.Contains(got.out+got.err, "token\"") {
			t.Errorf("%s: %+v", in, got)
		}
	}
	if got := runIn(env, "", "-"); got.code == 0 {
		t.Errorf("an unknown command: %+v", got)
	}
	if got := runIn(env, ""); got.code == 0 || !strings.Contains(got.out+got.err, "get") {
		t.Errorf("no command: %+v", got)
	}
}

// S7: where the login is another machine's and the connection to it is down, the
// answer is to try later; nothing is started in its place.
func TestForwardedSocketIsAway_S7(t *testing.T) {
	home, stale := testkit.ShortDir(t), filepath.Join(testkit.ShortDir(t), "s")
	if err := testdaemon.Stale(stale); err != nil {
		t.Fatal(err)
	}
	env := empty(t, "FAL_HOME_DIR", home, "FALCRED_SOCKET", stale)
	if got := runIn(env, "", "header"); runtime.GOOS != "windows" && (got.code != exitTryLater || got.out != "") { // no connection leaves a pipe's address
		t.Errorf("a socket that was left behind: %+v", got)
	}
	if err := os.WriteFile(filepath.Join(home, falenv.TokenFile), []byte(falenv.Placeholder+"\naccess"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, socket := range []string{stale, stale + "2"} {
		env["FALCRED_SOCKET"] = socket
		if got := runIn(env, "", "header"); got.code != exitTryLater || got.out != "" || !strings.Contains(got.err, "on another machine") {
			t.Errorf("a followed file, and %s: %+v", socket, got)
		}
	}
}
