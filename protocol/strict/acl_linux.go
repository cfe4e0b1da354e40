package strict

import (
	"errors"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
)

// hasACL says whether a folder has one of POSIX (acl(5)). In doubt it has; a simulated disk
// has none.
func hasACL(path string) bool {
	if disk.Simulated() {
		return false
	}
	_, err := syscall.Getxattr(path, "system.posix_acl_access", nil)
	return !errors.Is(err, syscall.ENODATA) && !errors.Is(err, syscall.ENOTSUP)
}
