package helper

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// holder is the daemon of a socket by the number in its lock file, below which stands its
// machine's name: 0 where there is none. stopped and died are the kernel's word of that process:
// it is stopped, or is gone. All of it is for words, and for how long to wait: no more can be
// believed of a file.
func holder(socket string) (pid int, stopped, died bool) {
	file, err := os.OpenFile(socket+".lock", os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return 0, false, false
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return 0, false, false // a FIFO would hold us
	}
	text, _ := io.ReadAll(io.LimitReader(file, 512))
	number, machine, _ := bytes.Cut(bytes.TrimSpace(text), []byte("\n"))
	if host, _ := os.Hostname(); len(machine) > 0 && string(machine) != host {
		return 0, false, false // its number is another machine's, or another container's
	}
	if pid, err = strconv.Atoi(string(number)); err != nil || pid <= 0 {
		return 0, false, false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false, errors.Is(err, fs.ErrNotExist)
	}
	// proc_pid_stat(5): the state follows the name, which may hold anything.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	return pid, len(fields) > 0 && (string(fields[0]) == "T" || string(fields[0]) == "t"), false
}
