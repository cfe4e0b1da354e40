package daemon

import (
	"os"
	"reflect"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// dropFilePages lets go of the pages of the program's own file: a start and a refresh
// (TLS, JSON, signatures) run through most of them, a get through few. They stay in the
// system's cache, from where those that are used come back at a touch, but what no
// process has mapped is the first that a system in need takes: the next refresh has to
// wait for the disk then.
//
// A mapping of it is let go of where all of it can be read from the file again: it is
// not writable, and no page of it has become our own, in memory or in swap, as those do
// that a loader or a debugger writes to. Libraries' mappings are left alone: a loader
// can be at work on them at any time.
func dropFilePages() {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return // it is no more than a courtesy
	}
	mappings := parseMappings(string(smaps))
	here := uint64(reflect.ValueOf(dropFilePages).Pointer())
	for _, own := range mappings {
		if own.from > here || here >= own.to || !own.ofFile {
			continue
		}
		for _, m := range mappings {
			if m.file == own.file && !m.writable && m.clean {
				// Not unix.Madvise, which takes a slice: this is not Go's memory.
				unix.Syscall(unix.SYS_MADVISE, uintptr(m.from), uintptr(m.to-m.from), unix.MADV_DONTNEED)
			}
		}
	}
}

// mapping is one of proc_pid_smaps(5).
type mapping struct {
	from, to uint64
	writable bool
	file     string // its device and inode
	ofFile   bool   // and not memory of no file, whose inode is 0
	clean    bool   // no page of it is our own
}

func parseMappings(smaps string) (all []mapping) {
	var own []string // how much of a mapping is our own, of each kind
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) >= 5 && !strings.HasSuffix(fields[0], ":"): // addresses, permissions, offset, device, inode
			from, to, _ := strings.Cut(fields[0], "-")
			m := mapping{writable: strings.Contains(fields[1], "w"), file: fields[3] + " " + fields[4], ofFile: fields[4] != "0"}
			m.from, _ = strconv.ParseUint(from, 16, 64) // what is no number is 0, and holds nothing
			m.to, _ = strconv.ParseUint(to, 16, 64)
			all, own = append(all, m), nil
		case len(fields) >= 2 && (fields[0] == "Anonymous:" || fields[0] == "Swap:"):
			own = append(own, fields[1])
			all[len(all)-1].clean = len(own) == 2 && own[0] == "0" && own[1] == "0"
		}
	}
	return all
}
