package helper

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper/internal/testdaemon"
)

// Linux refuses a connection at once while the daemon's queue is full; elsewhere
// connect blocks by itself.
func TestAFullQueueIsWaitedFor_S6(t *testing.T) {
	path := filepath.Join(testkit.ShortDir(t), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for {
		c, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := connect(short, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a full queue: %v", err)
	}
	result := make(chan error)
	c := client(t, path)
	go func() {
		_, err := c.Get(t.Context(), fal)
		result <- err
	}()
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	testdaemon.ServeOn(t, l, testdaemon.Bearer)
	if err := <-result; err != nil {
		t.Error(err)
	}
}
