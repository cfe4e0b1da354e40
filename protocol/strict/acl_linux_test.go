package strict

import (
	"encoding/binary"
	"os"
	"syscall"
	"testing"
)

// F6: where an ACL names another user, a mode's group bits are the most that he can
// have, and not those of a group that is ours alone.
func TestFolderWithAnACL_F6(t *testing.T) {
	_, above, home := aWay(t)
	none := ^uint32(0)
	acl := binary.LittleEndian.AppendUint32(nil, 2) // acl(5), as the kernel has it
	for _, entry := range []struct {
		tag, perm uint16
		id        uint32
	}{{1, 7, none}, {2, 7, 4242}, {4, 5, none}, {16, 7, none}, {32, 5, none}} {
		acl = binary.LittleEndian.AppendUint16(acl, entry.tag)
		acl = binary.LittleEndian.AppendUint16(acl, entry.perm)
		acl = binary.LittleEndian.AppendUint32(acl, entry.id)
	}
	if err := syscall.Setxattr(above, "system.posix_acl_access", acl, 0); err != nil {
		t.Logf("no ACLs on this file system: %v", err)
		return
	}
	info, err := os.Stat(above)
	must(t, err)
	if ourGroups(step{above, info}) || Folder(home) == nil {
		t.Error("another user may write the folder above, and it is found good")
	}
}
