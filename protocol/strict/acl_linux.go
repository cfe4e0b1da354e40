package strict

import (
	"errors"
	"syscall"
)

// hasACL says whether a folder has one of POSIX (acl(5)). In doubt it has.
func hasACL(path string) bool {
	_, err := syscall.Getxattr(path, "system.posix_acl_access", nil)
	return !errors.Is(err, syscall.ENODATA) && !errors.Is(err, syscall.ENOTSUP)
}
