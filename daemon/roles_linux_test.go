package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	roles["readonly"] = playReadOnly
	roles["starved"] = playStarved
	roles["hardened"] = playHardened
}

// playReadOnly sees its home on a filesystem that cannot be written.
func playReadOnly() error {
	home := os.Getenv("FALCRED_TEST_HOME")
	for _, m := range []struct {
		source, target string
		flags          uintptr
	}{
		{"none", "/", unix.MS_REC | unix.MS_PRIVATE},
		{home, home, unix.MS_BIND},
		{home, home, unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY},
	} {
		if err := unix.Mount(m.source, m.target, "", m.flags, ""); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
	}
	return playDaemon()
}

// playStarved takes every descriptor once it serves, says so, and gives them
// back when its standard input has a byte.
func playStarved() error {
	go func() {
		var one [1]byte
		os.Stdin.Read(one[:])
		var taken []*os.File
		for {
			f, err := os.Open(os.DevNull)
			if err != nil {
				break
			}
			taken = append(taken, f)
		}
		fmt.Println("starved")
		os.Stdin.Read(one[:])
		for _, f := range taken {
			f.Close()
		}
	}()
	return playDaemon()
}

func playHardened() error {
	if err := Harden(); err != nil {
		return err
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return err
	}
	core := unix.Rlimit{Cur: 1, Max: 1}
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		return err
	}
	fmt.Printf("dumpable %d, core %d %d", dumpable, core.Cur, core.Max)
	return nil
}

// as runs a role as another user.
func as(uid uint32, binary, role string, env ...string) *exec.Cmd {
	cmd := play(role, env...)
	cmd.Path, cmd.Args = binary, []string{binary}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	return cmd
}

// copyBinary puts the test binary where every user can run it.
func copyBinary(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := shortDir(t)
	path := filepath.Join(dir, "falcred.test")
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
