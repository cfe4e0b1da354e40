//go:build unix

package peer

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/falcred/falcred/protocol"
)

func pair(t *testing.T) (client, server *net.UnixConn) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "f")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.UnixConn), s.(*net.UnixConn)
}

func TestPeerIsKnownAtBothEnds_S3(t *testing.T) {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("peers are unknown here, and refused")
	}
	client, server := pair(t)
	for _, c := range []*net.UnixConn{client, server} {
		if uid, err := UID(c); err != nil || uid != os.Geteuid() {
			t.Errorf("UID = %d, %v", uid, err)
		}
		if err := Check(c); err != nil {
			t.Error(err)
		}
	}
}

func TestPeerThatCannotBeKnownIsRefused_S3(t *testing.T) {
	client, _ := pair(t)
	client.Close()
	if uid, err := UID(client); uid != -1 || err == nil {
		t.Errorf("a closed socket's peer is %d, %v", uid, err)
	}
	dir := t.TempDir()
	datagram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "d")})
	if err != nil {
		t.Skip(err)
	}
	defer datagram.Close()
	if uid, err := UID(datagram); uid != -1 || err == nil {
		t.Errorf("a socket without a peer has %d, %v", uid, err)
	}
	for _, c := range []syscall.Conn{nil, client, datagram} {
		if err := Check(c); protocol.AsError(err) == nil || protocol.AsError(err).Code != protocol.CodeDenied {
			t.Errorf("Check = %v", err)
		}
	}
}

// S3, S7: who is let in, for each of our own uids. In a user namespace that has no
// number for some, the overflow uid is many users, also where it is our own.
func TestWhoIsLetIn_S3(t *testing.T) {
	const one, many = true, false
	for _, c := range []struct {
		own, peer int
		others    []int
		alone     bool
		want      bool
	}{
		{own: 1000, peer: 1000, want: true},
		{own: 1000, peer: 0, want: true},
		{own: 1000, peer: 1001},
		{own: 1000, peer: -1},
		{own: 1000, peer: 1001, others: []int{1001}, want: true},
		{own: 1000, peer: 1002, others: []int{1001}},
		{own: 1000, peer: overflowUID, alone: one},
		{own: 1000, peer: overflowUID, alone: many},
		{own: 1000, peer: overflowUID, others: []int{overflowUID}, alone: one},
		{own: 0, peer: overflowUID, alone: one},
		{own: 0, peer: overflowUID, others: []int{overflowUID}, alone: one},
		{own: overflowUID, peer: overflowUID, alone: one, want: true},
		{own: overflowUID, peer: overflowUID, alone: many},
		{own: overflowUID, peer: overflowUID, others: []int{overflowUID}, alone: many},
		{own: overflowUID, peer: 0, alone: many, want: true},
		{own: overflowUID, peer: 1000, alone: one},
		{own: overflowUID, peer: 1000, others: []int{1000}, alone: many, want: true},
		{own: bigUID, peer: bigUID, want: true}, // of a domain's users
		{own: 1000, peer: bigUID, others: []int{bigUID}, want: true},
	} {
		if err := allowUID(c.peer, c.own, nil, c.others, func() bool { return c.alone }); (err == nil) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := allowUID(1000, 1000, errors.New("unknown"), nil, nil); err == nil {
		t.Error("an error is no refusal")
	}
	err := allowUID(overflowUID, overflowUID, nil, nil, func() bool { return false })
	if err == nil || !strings.Contains(err.Error(), "user namespace") || !strings.Contains(err.Error(), "\n") {
		t.Errorf("neither why nor what to do: %v", err)
	}
}

// bigUID needs all of uid_t's bits, and so all of an int's on some machines.
var (
	domainUID uint32 = 3_000_000_000
	bigUID           = int(domainUID)
)
