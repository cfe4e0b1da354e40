//go:build system && linux

package tokenfile

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

func init() {
	roles["holder"] = func() error {
		file, err := os.Open(os.Getenv("FALCRED_TEST_FILE"))
		if err != nil {
			return err
		}
		fmt.Println("open")
		go io.Copy(io.Discard, os.Stdin)
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
			return err
		}
		fmt.Println("locked")
		time.Sleep(testkit.Patience)
		return nil
	}
}

// F1: another user who holds a lock file that he could open keeps nobody out: neither one who
// held it before anybody of ours came, nor one who had it open by then and locks it when
// nobody of ours does.
func TestAnotherUserHoldsNothing_F1(t *testing.T) {
	testkit.NeedRoot(t)
	home := testkit.ShortDir(t)
	testkit.Must(t, os.Chmod(home, 0o755))
	path := filepath.Join(home, LockName)
	binary := testkit.CopyBinary(t)
	for _, before := range []bool{true, false} {
		testkit.Must(t, os.WriteFile(path, nil, 0o644)) // a portalocker that was killed
		testkit.Must(t, os.Chmod(path, 0o644))
		var ours *Lock
		bob := testkit.As(12345, binary, testkit.Role("holder", "FALCRED_TEST_FILE="+path))
		out, err := bob.StdoutPipe()
		testkit.Must(t, err)
		said := bufio.NewScanner(out)
		testkit.Start(t, bob)
		wait := func(word string) {
			if !said.Scan() || said.Text() != word {
				t.Fatalf("bob says %q", said.Text())
			}
		}
		wait("open")
		if !before { // whichever is first: he waits, or has it
			ours, err = Acquire(t.Context(), home)
			testkit.Must(t, err)
			ours.Release()
		}
		wait("locked")
		begun := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), LockWait)
		l, err := Acquire(ctx, home)
		cancel()
		if err != nil {
			t.Fatalf("held before: %v: %v", before, err)
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("held before: %v: it took %v", before, took)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode: %v, %v", info, err)
		}
		testkit.Must(t, l.Confirm(t.Context()))
		l.Release()
		bob.Process.Kill()
	}
}
