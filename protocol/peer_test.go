//go:build unix

package protocol

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
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
		if uid, err := PeerUID(c); err != nil || uid != os.Geteuid() {
			t.Errorf("PeerUID = %d, %v", uid, err)
		}
		if err := CheckPeer(c); err != nil {
			t.Error(err)
		}
	}
}

func TestPeerThatCannotBeKnownIsRefused_S3(t *testing.T) {
	client, _ := pair(t)
	client.Close()
	if uid, err := PeerUID(client); uid != -1 || err == nil {
		t.Errorf("a closed socket's peer is %d, %v", uid, err)
	}
	dir := t.TempDir()
	datagram, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: filepath.Join(dir, "d")})
	if err != nil {
		t.Skip(err)
	}
	defer datagram.Close()
	if uid, err := PeerUID(datagram); uid != -1 || err == nil {
		t.Errorf("a socket without a peer has %d, %v", uid, err)
	}
	for _, c := range []syscall.Conn{nil, client, datagram} {
		if err := CheckPeer(c); AsError(err) == nil || AsError(err).Code != CodeDenied {
			t.Errorf("CheckPeer = %v", err)
		}
	}
}

func TestOnlyOurselvesAndRootAreAllowed_S3(t *testing.T) {
	own := os.Geteuid()
	for uid, want := range map[int]bool{own: own != overflowUID, 0: true, -1: false, own + 1: false, overflowUID: false} {
		if err := allowUID(uid, nil, nil); (err == nil) != want {
			t.Errorf("uid %d: %v", uid, err)
		}
	}
	if err := allowUID(own, errors.New("unknown"), nil); err == nil {
		t.Error("an error is no refusal")
	}
}

func TestOthersAreAllowedByNumber_S7(t *testing.T) {
	others := []int{os.Geteuid() + 1, overflowUID}
	for uid, want := range map[int]bool{os.Geteuid() + 1: true, os.Geteuid() + 2: false, overflowUID: false, -1: false} {
		if err := allowUID(uid, nil, others); (err == nil) != want {
			t.Errorf("uid %d: %v", uid, err)
		}
	}
	for list, want := range map[string]string{
		"": "[]", "1001": "[1001]", " 1001, 1002 ,": "[1001 1002]", "0": "[0]",
		"ann": "error", "-1": "error", "65534": "error", "4294967295": "error", "1001 1002": "error", "0x10": "error",
	} {
		uids, err := AllowUIDs(func(string) string { return list })
		got := fmt.Sprint(uids)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %s, want %s (%v)", list, got, want, err)
		}
	}
}
