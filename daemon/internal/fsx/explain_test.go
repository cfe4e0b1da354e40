package fsx

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// R4, S6: whatever the system has against a file, its own word is said, and what to do about
// that very thing; nobody is sent to look for somebody who holds a lock.
func TestExplain_R4(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EROFS: "FAL_HOME_DIR", syscall.ENOSPC: "df -i", syscall.EDQUOT: "quota", syscall.EMFILE: "ulimit -n", syscall.ENFILE: "fs.file-max",
		syscall.EFBIG: "ulimit -f", syscall.EIO: "dmesg", syscall.ESTALE: "mount", syscall.ENOTCONN: "mount", syscall.ENOLCK: "locks",
		syscall.EACCES: "ls -ld", syscall.EPERM: "lsattr",
	} {
		text, hint := Explain(fmt.Errorf("wrapped: %w", &os.PathError{Op: "open", Path: "/some/file", Err: errno}))
		if !strings.Contains(text, "/some/file: "+errno.Error()) || !strings.Contains(hint, want) {
			t.Errorf("%v: %q, %q", errno, text, hint)
		}
	}
	if text, hint := Explain(errors.New("something else")); text != "something else" || hint != "" || Hint(errors.New("x")) != DiskHint {
		t.Errorf("%q, %q", text, hint)
	}
}
