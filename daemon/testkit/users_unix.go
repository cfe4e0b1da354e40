//go:build unix

package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TheirFolder belongs to another user, whoever we are: root gives one away, and everybody
// else has root's.
func TheirFolder(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		return "/usr"
	}
	folder := ShortDir(t)
	if err := os.Chown(folder, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	return folder
}

// CopyBinary puts the test binary where every user can run it.
func CopyBinary(t testing.TB) (path string) {
	t.Helper()
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := ShortDir(t)
	path = filepath.Join(dir, "falcred.test")
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// What is written all at once, the kernel can map 2 MiB at a touch.
	for piece := range slices.Chunk(data, 32<<10) {
		if _, err := file.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// As has a command run by another user: binary is a copy that he can run.
func As(uid uint32, binary string, cmd *exec.Cmd) *exec.Cmd {
	cmd.Path, cmd.Args = binary, []string{binary}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}
