package dockercred

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
)

// asks is each thing that this program can ask a daemon: a verb, and standard input.
var asks = [][2]string{
	{"get", "https://fal.run"}, {"get", `{"uri":"https://fal.run"}`}, {"list", ""}, {"header", ""}, {"token", ""}, {"erase", "https://fal.run"},
	{"store", `{"ServerURL":"fal.run","Username":"<token>","Secret":"s"}`},
}

// §4: whatever a daemon says, all that is printed, on both streams, is lines that a terminal
// and a script can be given, and no header but Authorization and fal's.
func TestNothingThatADaemonSaysCommandsATerminal_Section4(t *testing.T) {
	const hostile = "\x1b]0;x\x07\x1b[2J\u009b\u202e\u2028\r\n"
	for what, answer := range map[string]any{
		"an error":          protocol.Errorf(protocol.CodeUnavailable, hostile+"\n"+hostile+"\n"+hostile),
		"an unknown error":  protocol.Errorf(protocol.Code("x"+hostile), hostile),
		"a secret":          protocol.Credential{Username: "Bearer", Secret: "x" + hostile},
		"a C1 secret":       protocol.Credential{Username: "Bearer", Secret: "x\u009b31m"},
		"a username":        protocol.Credential{Username: "Bearer" + hostile, Secret: "x"},
		"a name":            protocol.Credential{Username: "Bearer", Secret: "x", Headers: map[string]string{"X-Fal-" + hostile: "x"}},
		"a value":           protocol.Credential{Username: "Bearer", Secret: "x", Headers: map[string]string{"X-Fal-User-Id": hostile}},
		"a server":          protocol.Credential{ServerURL: hostile, Username: "Bearer", Secret: "x"},
		"headers of others": protocol.Credential{Username: "Bearer", Secret: "x", Headers: map[string]string{"Host": "evil", "Cookie": "c", "Transfer-Encoding": "chunked", "X-Fal-User-Id": "u1"}},
		"a list":            map[string]string{hostile: hostile},
	} {
		env := with(t, answer)
		for _, ask := range asks {
			got := runIn(env, ask[1], ask[0])
			for line := range strings.Lines(got.out + got.err) {
				if line = strings.TrimSuffix(line, "\n"); protocol.Printable(line) != line {
					t.Errorf("%s, %s: %q", what, ask[0], line)
				}
			}
			if strings.Contains(got.out, "evil") || strings.Contains(got.out, "Cookie") || strings.Contains(got.out, "chunked") {
				t.Errorf("%s, %s: %s", what, ask[0], got.out)
			}
			if strings.HasSuffix(what, "secret") && (ask[0] == "token" || ask[0] == "header") && (got.code != 1 || got.out != "") {
				t.Errorf("%s, %s: %+v", what, ask[0], got)
			}
		}
	}
	got := runIn(with(t, protocol.Credential{Username: "Bearer", Secret: "x", Headers: map[string]string{"Host": "evil", "x-fal-b": "2", "X-Fal-A": "1"}}), "", "header")
	if got.out != "Authorization: Bearer x\nX-Fal-A: 1\nx-fal-b: 2\n" {
		t.Errorf("%+v", got)
	}
}

// stuck is standard input that cannot be read.
type stuck struct{}

func (stuck) Read([]byte) (int, error) {
	return 0, &os.PathError{Op: "read", Path: "/dev/stdin", Err: syscall.EISDIR}
}

// §4: a failure names its cause.
func TestFailuresNameTheirCause_Section4(t *testing.T) {
	var out, err bytes.Buffer
	if code := Run([]string{"get"}, stuck{}, &out, &err, testdaemon.Lookup(empty(t))); code != 1 || !strings.Contains(out.String(), syscall.EISDIR.Error()) {
		t.Errorf("%d, %s", code, out.String())
	}
	h := newHouse(t, "FALCRED_TEST_MODE=ends")
	if got := h.run(t, "token"); got.code != 75 || !strings.Contains(got.err, "ended at once: exit status 1") {
		t.Errorf("%+v", got)
	}
}

// §3: FAL_HOME_DIR is enough, whatever HOME is.
func TestAHomeThatIsNamedIsEnough_Section3(t *testing.T) {
	for _, variables := range [][]string{nil, {homeVariable + "="}, {homeVariable + "=somewhere"}} {
		h := newHouse(t)
		h.env = append([]string{"FAL_HOME_DIR=" + h.home, "PATH=" + filepath.Dir(daemonBin), "FALCRED_TEST_DIR=" + h.record}, variables...)
		if got := h.run(t, "token"); got.code != 0 || len(h.starts(t)) != 1 {
			t.Errorf("%q: %+v, %d starts", variables, got, len(h.starts(t)))
		}
	}
}

// §3, S2: both ends take the second place where the home's path is too long for a socket.
func TestADaemonForALongHomeIsStarted_S2(t *testing.T) {
	h := newHouse(t)
	long := filepath.Join(h.home, strings.Repeat("a", 200))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	login(t, long)
	h.env = append(h.env, "FAL_HOME_DIR="+long)
	for range 2 {
		if got := h.run(t, "token"); got.code != 0 || len(h.starts(t)) != 1 {
			t.Errorf("%+v, %d starts", got, len(h.starts(t)))
		}
	}
}
