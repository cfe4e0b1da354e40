package dockercred

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
	falenv "github.com/falcred/falcred/protocol/env"
)

// §4: header and token take what the wire knows, in any order.
func TestFlagsOfHeaderAndToken_Section4(t *testing.T) {
	for _, tt := range []struct {
		env   []string
		args  []string
		stdin string
		sent  string
	}{
		{args: []string{"--min-valid", "2h"}, sent: `get {"ServerURL":"https://fal.run","MinValid":7200}`},
		{args: []string{"--min-valid=1500ms", "https://queue.fal.run"}, sent: `get {"ServerURL":"https://queue.fal.run","MinValid":2}`},
		{args: []string{"fal.run", "--team", "acme"}, sent: `get {"ServerURL":"fal.run","Team":"acme"}`},
		{args: []string{"--team="}, sent: `get {"ServerURL":"https://fal.run","Team":""}`},
		{args: []string{"--rejected"}, stdin: "old\n", sent: `get {"ServerURL":"https://fal.run","Rejected":"old"}`},
		{args: nil, stdin: "old\n", sent: `get https://fal.run`}, // which is not read without the flag
		{env: []string{"FALCRED_TEAM", "acme"}, sent: `get {"ServerURL":"https://fal.run","Team":"acme"}`},
		{env: []string{"FALCRED_TEAM", ""}, sent: `get {"ServerURL":"https://fal.run","Team":""}`},
		{env: []string{"FALCRED_TEAM", "acme"}, args: []string{"--team", "beta"}, sent: `get {"ServerURL":"https://fal.run","Team":"beta"}`},
	} {
		for _, verb := range []string{"header", "token"} {
			s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
			got := runIn(empty(t, append(tt.env, "FALCRED_SOCKET", s.Path)...), tt.stdin, append([]string{verb}, tt.args...)...)
			if got.code != 0 || got.out == "" || !slices.Equal(s.Lines(), []string{tt.sent}) {
				t.Errorf("%s %q: %+v, sent %q", verb, tt.args, got, s.Lines())
			}
		}
	}
}

// A mistake in the arguments asks nobody, prints nothing that could be taken for a credential, and does not
// repeat a token.
func TestWrongFlags_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	env := empty(t, "FALCRED_SOCKET", s.Path)
	for _, tt := range []struct {
		args        []string
		stdin, want string
	}{
		{[]string{"--min-valid", "2 hours"}, "", "such as 300s, 15m or 2h"},
		{[]string{"--min-valid", "-1s"}, "", "wants 0s to"},
		{[]string{"--min-valid", "9000h"}, "", "wants 0s to"},
		{[]string{"--min-valid"}, "", "--min-valid wants a value"},
		{[]string{"--minvalid", "2h"}, "", "unknown flag --minvalid"},
		{[]string{"--rejected=hush"}, "", "takes no value"},
		{[]string{"--rejected"}, "", "which is empty"},
		{[]string{"--rejected"}, "hush\nhush", "several lines"},
		{[]string{"--rejected"}, "hu\x00sh", "control byte"},
		{[]string{"--rejected"}, strings.Repeat("hush", 20_000), "longer than 64 KiB"},
		{[]string{"--team", "a\nerase https://fal.run"}, "", "control byte"},
		{[]string{"fal.run", "fal.ai"}, "", "one server at a time, and there are 2"},
	} {
		for _, verb := range []string{"header", "token"} {
			got := runIn(env, tt.stdin, append([]string{verb}, tt.args...)...)
			if got.code != 1 || got.out != "" || !strings.Contains(got.err, tt.want) || strings.Contains(got.err, "hush") {
				t.Errorf("%s %q: %+v, want %q", verb, tt.args, got, tt.want)
			}
		}
	}
	if lines := s.Lines(); len(lines) != 0 {
		t.Errorf("the daemon was asked: %q", lines)
	}
}

// --rejected reads a line, and does not wait for the end of what comes after it.
func TestRejectedIsALine_Section4(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	in, writer := io.Pipe()
	defer writer.Close()
	go writer.Write([]byte("old\n"))
	var out, said strings.Builder
	code := Run([]string{"token", "--rejected"}, in, &out, &said, testdaemon.Lookup(empty(t, "FALCRED_SOCKET", s.Path)))
	if want := []string{`get {"ServerURL":"https://fal.run","Rejected":"old"}`}; code != 0 || !slices.Equal(s.Lines(), want) {
		t.Errorf("%d %q %q, sent %q", code, out.String(), said.String(), s.Lines())
	}
}

// What looks like a question for help is none where it is a flag's value: what is printed would be taken for a
// credential.
func TestAValueIsNoQuestionForHelp(t *testing.T) {
	s := testdaemon.Serve(t, filepath.Join(testkit.ShortDir(t), "s"), testdaemon.Bearer)
	got := runIn(empty(t, "FALCRED_SOCKET", s.Path), "", "token", "--json", "--team", "--help")
	if !strings.Contains(got.out, `"Team":"--help"`) {
		t.Errorf("%+v", got)
	}
	if got := runIn(empty(t), "", "header", "https://fal.run", "-h"); got.code != 0 || !strings.HasPrefix(got.out, "Usage: ") {
		t.Errorf("%+v", got)
	}
}

// --rejected waits for no terminal.
func TestRejectedWantsNoTerminal_Section4(t *testing.T) {
	null, err := os.Open(os.DevNull) // a device, as a terminal is
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var out, said strings.Builder
	code := Run([]string{"token", "--rejected"}, null, &out, &said, testdaemon.Lookup(empty(t)))
	if code != 1 || out.Len() > 0 || !strings.Contains(said.String(), "printf") {
		t.Errorf("%d %q %q", code, out.String(), said.String())
	}
}

// §4: a key is for its own account. Who asks for a team by a flag gets none; FALCRED_TEAM is about the login.
func TestAKeyIsNoTeams_Section4(t *testing.T) {
	env := empty(t, "FAL_KEY", "a:b")
	if got := runIn(env, "", "header", "--team", "acme"); got.code != exitTryLater || got.out != "" || !strings.Contains(got.err, "FAL_KEY comes before the login") {
		t.Errorf("%+v", got)
	}
	if got := runIn(env, "old", "token", "--rejected", "--min-valid", "1h"); got != (outcome{out: "a:b\n"}) {
		t.Errorf("what means nothing for a key: %+v", got)
	}
	env["FALCRED_TEAM"] = "acme"
	if got := runIn(env, "", "header"); got != (outcome{out: "Authorization: Key a:b\n"}) {
		t.Errorf("%+v", got)
	}
}

// §4: an older daemon ignores Team, and would have somebody else pay.
func TestAnOlderDaemonKnowsNoTeam_Section4(t *testing.T) {
	env := with(t, protocol.Credential{ServerURL: "https://fal.run", Username: "Bearer", Secret: "token"})
	for _, args := range [][]string{{"token", "--team", "acme"}, {"header", "--team", ""}} {
		if got := runIn(env, "", args...); got.code != exitTryLater || got.out != "" || !strings.Contains(got.err, "older than this program") || !strings.Contains(got.err, "falcred restart") {
			t.Errorf("%q: %+v", args, got)
		}
	}
	if got := runIn(env, "", "token"); got != (outcome{out: "token\n"}) {
		t.Errorf("without a team: %+v", got)
	}
}

// §4: the token alone cannot carry a team, and S7: others do not choose one.
func TestWhatATeamIsNot_Section4S7(t *testing.T) {
	if got := runIn(with(t, nil), "", "token", "--team", "acme"); got.code != 0 || got.out != "token\n" || !strings.Contains(got.err, "says nothing of team acme: header prints") {
		t.Errorf("%+v", got)
	}
	shared := with(t, protocol.Errorf(protocol.CodeDenied, "denied: this socket is read-only"))
	shared["FALCRED_TEAM"] = ""
	if got := runIn(shared, "", "header"); got.code != 1 || got.out != "" || !strings.Contains(got.err, "unset FALCRED_TEAM") {
		t.Errorf("%+v", got)
	}
}

// Each verb has a help of its own, and needs nothing for it.
func TestEachVerbHasAHelp(t *testing.T) {
	env := empty(t, "FALCRED_SERVERS", "not a host", "HOME", "")
	for _, verb := range slices.Sorted(maps.Keys(helps)) {
		for _, args := range [][]string{{verb, "--help"}, {verb, "-h"}} {
			if got := runIn(env, "", args...); got.code != 0 || got.err != "" || !strings.HasPrefix(got.out, "Usage: ") || !strings.Contains(got.out, name+" "+verb) {
				t.Errorf("%q: %+v", args, got)
			}
		}
	}
	for line := range strings.Lines(help + "\n" + strings.Join(slices.Collect(maps.Values(helps)), "\n")) {
		if len([]rune(strings.TrimRight(line, "\n"))) > 80 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
	if got := runIn(env, "", "--help"); got.code != 0 || got.out != help+"\n" {
		t.Errorf("%+v", got)
	}
}

// §4: a daemon that is started gets nobody's team.
func TestAStartedDaemonGetsNoTeam_Section4(t *testing.T) {
	got := daemonEnv([]string{"PATH=/bin", "FALCRED_TEAM=acme", "FALCRED_ISSUER=https://example.com"})
	if want := []string{"PATH=/bin", "FALCRED_ISSUER=https://example.com", falenv.OnDemand + "=1"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
