package daemon

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unmapProgram lets go of the pages of the program's own file: a start and a refresh
// (TLS, JSON, signatures) run through most of them, a get through few. They stay in the
// system's cache, from where those that are used come back at a touch, but what no
// process has mapped is the first that a system in need takes.
//
// A mapping is let go of where all of it can be read from its file again: it is not
// writable, and no page of it has become our own, here or in swap, as those do that a
// loader or a debugger writes to (proc_pid_smaps(5)).
func unmapProgram() {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return // it is no more than a courtesy
	}
	var span string // of the mapping that the lines speak of, "" if it has to stay
	for line := range bytes.Lines(smaps) {
		fields := strings.Fields(string(line))
		switch {
		case len(fields) >= 5 && !strings.HasSuffix(fields[0], ":"): // address, permissions, offset, device, inode
			span = ""
			if fields[4] != "0" && !strings.Contains(fields[1], "w") {
				span = fields[0]
			}
		case len(fields) >= 2 && (fields[0] == "Anonymous:" || fields[0] == "Swap:") && fields[1] != "0":
			span = ""
		case len(fields) > 0 && fields[0] == "VmFlags:": // the last of its lines
			unmap(span)
		}
	}
}

func unmap(span string) {
	first, last, _ := strings.Cut(span, "-")
	from, err := strconv.ParseUint(first, 16, 64)
	to, err2 := strconv.ParseUint(last, 16, 64)
	if err == nil && err2 == nil {
		unix.Syscall(unix.SYS_MADVISE, uintptr(from), uintptr(to-from), unix.MADV_DONTNEED)
	}
}
