//go:build unix

package testkit

import (
	"os"
	"os/exec"
	"path/filepath"
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
	dir := ShortDir(t)
	path = filepath.Join(dir, "falcred.test")
	Must(t, os.Chmod(dir, 0o755))
	Must(t, Install(os.Args[0], path))
	return path
}

// As has a command run by another user: binary is a copy that he can run.
func As(uid uint32, binary string, cmd *exec.Cmd) *exec.Cmd {
	cmd.Path, cmd.Args = binary, []string{binary}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}
