package server

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// Wine is slow: one process of its own serves all programs.
const (
	ahead       = 100 // requests, sent before the answers are read
	changes     = 40  // of a login, one after the other
	manyHostile = 40
	storeLimit  = testkit.Patience
)

// shrink leaves a pipe's buffer what it is, 64 KiB.
func shrink(testing.TB, *testkit.Conn) {}

func init() { roles["client"] = playClient }

// playClient asks without looking at whom.
func playClient() error {
	line, err := testkit.AskLine(os.Getenv("FALCRED_TEST_SOCKET"), "get "+protocol.DefaultServer)
	fmt.Print(line)
	return err
}

// S3, S8: another user's client is denied, and named in the log by his SID; the system's is
// served.
func TestOtherUsers_S3_S8(t *testing.T) {
	h := newHouse(t, idp.Config{})
	_, access := h.SignIn("ann")
	h.serve(nil)
	h.Dial().Secret()
	for sid, want := range map[string]string{"S-1-5-18": access, testkit.Stranger: `"Code":"denied"`} {
		client := testkit.As(t, sid, testkit.Role("client", "FALCRED_TEST_SOCKET="+h.Sock))
		out, err := client.CombinedOutput()
		gone := want != access && strings.Contains(string(out), syscall.EPIPE.Error()) // turned away before it could ask
		if !gone && (err != nil || !strings.Contains(string(out), want)) {
			t.Errorf("%s is told %.300s, %v", sid, out, err)
		}
		if strings.Contains(string(out), access) != (want == access) {
			t.Errorf("%s is told %.300s", sid, out)
		}
	}
	// The SID beside uid= is the token's, which in wine is always ours.
	testkit.WantText(t, h.Logged.String(), `msg="a client was denied" uid=S-1-5-21-`)
	testkit.WantText(t, h.Logged.String(), "belongs to user "+testkit.Stranger)
}
