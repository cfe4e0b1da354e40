package testkit

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// HangingFolder mounts a file system on a folder whose server, the result, answers nothing:
// each question about what is below hangs. Once that is closed they fail with ENOTCONN. It
// needs root, and /dev/fuse.
func HangingFolder(t testing.TB, folder string) (server *os.File) {
	t.Helper()
	NeedRoot(t)
	server, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		Missing(t, "/dev/fuse")
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", server.Fd())
	if err := syscall.Mount("falcred-test", folder, "fuse", 0, options); err != nil {
		server.Close()
		Missing(t, "a machine that may mount: ", err)
	}
	t.Cleanup(func() {
		server.Close()
		syscall.Unmount(folder, syscall.MNT_DETACH)
	})
	return server
}
