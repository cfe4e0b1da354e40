package peer_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/local"
	"github.com/falcred/falcred/protocol/peer"
)

const system = "S-1-5-18"

func TestMain(m *testing.M) {
	testkit.PlayRole(map[string]func() error{"client": playClient, "squatter": playSquatter})
	os.Exit(m.Run())
}

// playClient asks without looking at whom.
func playClient() error {
	c, err := local.Dial(os.Getenv("FALCRED_TEST_SOCKET"))
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, c)
	return err
}

// playSquatter listens where a daemon should, and says what it is sent.
func playSquatter() error {
	l, err := local.Listen(os.Getenv("FALCRED_TEST_SOCKET"))
	if err != nil {
		return err
	}
	fmt.Println("listening")
	c, err := l.AcceptUnix()
	if err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, c)
	return err
}

// serve answers one client as a daemon does: denied, or served.
func serve(l *local.Listener) {
	c, err := l.AcceptUnix()
	if err != nil {
		return
	}
	defer c.Close()
	if err := peer.Check(c); err != nil {
		io.WriteString(c, err.Error())
		return
	}
	io.WriteString(c, "served")
}

// S3, S8: our own user and the system are served, and nobody else, whom the error names.
func TestClients_S3_S8(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "falcred.sock")
	l, err := local.Listen(path)
	testkit.Must(t, err)
	defer l.Close()
	for _, c := range []struct{ name, sid, want string }{
		{"ourselves", "", "served"},
		{"the system", system, "served"},
		{"a stranger", testkit.Stranger, "denied: the other end belongs to user " + testkit.Stranger},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := testkit.Role("client", "FALCRED_TEST_SOCKET="+path)
			if c.sid != "" {
				testkit.As(t, c.sid, client)
			}
			go serve(l)
			out, err := client.CombinedOutput()
			if string(out) != c.want || err != nil {
				t.Errorf("%q was told %q, %v; want %q", c.sid, out, err, c.want)
			}
			word, _, _ := strings.Cut(string(out), ":")
			t.Logf("| a client: %s | %s |", c.name, word)
		})
	}
}

// S3, S8: a client sends nothing to a pipe of another user's, who has put it at the address,
// or has another one there in the place of ours.
func TestSquatter_S3_S8(t *testing.T) {
	for name, before := range map[string]bool{"alone": false, "in our place": true} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(testkit.ShortDir(t), "falcred.sock")
			if before {
				ours, err := local.Listen(path)
				testkit.Must(t, err)
				defer ours.Close()
			}
			squatter := testkit.As(t, testkit.Stranger, testkit.Role("squatter", "FALCRED_TEST_SOCKET="+path))
			out, err := squatter.StdoutPipe()
			testkit.Must(t, err)
			testkit.Start(t, squatter)
			said := bufio.NewReader(out)
			if line, err := said.ReadString('\n'); strings.TrimSpace(line) != "listening" {
				t.Fatalf("%q, %v", line, err)
			}
			c, err := local.Dial(path)
			testkit.Must(t, err)
			wantDenied(t, peer.Check(c), "belongs to user "+testkit.Stranger)
			if sid := peer.User(c); sid != testkit.Stranger {
				t.Errorf("the pipe is %s's", sid)
			}
			c.Close()
			sent, _ := io.ReadAll(said)
			if len(sent) > 0 {
				t.Errorf("it was sent %q", sent)
			}
			t.Logf("| a squatter's pipe at the address, %s | refused, %d bytes sent |", name, len(sent))
		})
	}
}

func wantDenied(t *testing.T, err error, want string) {
	t.Helper()
	var refused *protocol.Error
	if !errors.As(err, &refused) || refused.Code != protocol.CodeDenied || !strings.Contains(err.Error(), want) {
		t.Errorf("%v; want denied: %s", err, want)
	}
}

// S3: both ends know each other; what is closed, and what is no pipe of ours, is nobody's.
func TestKnown_S3_S8(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "falcred.sock")
	l, err := local.Listen(path)
	testkit.Must(t, err)
	defer l.Close()
	client, err := local.Dial(path)
	testkit.Must(t, err)
	daemon, err := l.AcceptUnix()
	testkit.Must(t, err)
	defer daemon.Close()
	own, err := disk.OwnUser()
	testkit.Must(t, err)
	for _, c := range []*local.Conn{client, daemon} {
		if err := peer.Check(c); err != nil {
			t.Error(err)
		}
		if sid, pid := peer.User(c), c.Process(); sid != own || pid != os.Getpid() {
			t.Errorf("it is user %s, process %d", sid, pid)
		}
	}
	client.Close()
	wantDenied(t, peer.Check(client), "cannot be known")
	wantDenied(t, peer.Check(os.Stdin), "cannot be known")
	wantDenied(t, peer.Check(nil), "cannot be known")
}
