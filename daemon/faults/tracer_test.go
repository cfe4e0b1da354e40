//go:build linux && system

package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracer runs a daemon under ptrace(2) and kills it at one boundary of its
// system calls. strace's `inject=…:when=N` counts for each thread on its own,
// and Go moves a goroutine from thread to thread, so that N would name another
// boundary in every run. This counts for the process.
type tracer struct {
	home string
	at   int             // the boundary to kill at; 0 kills at none
	over <-chan struct{} // closed when there is no need to go on: the daemon is killed

	labels []string        // of the boundaries met, in order
	begun  bool            // a refresh has taken .portalock
	inside map[int]string  // by thread: the label of the call that it is in
	dials  map[int]int     // by thread: the descriptor being connected
	issuer map[string]bool // descriptors connected over TCP
}

// watched are the calls that can change what a refresh leaves behind, and
// those that talk to the issuer.
var watched = map[uint64]string{
	unix.SYS_OPENAT: "openat", unix.SYS_WRITE: "write", unix.SYS_PWRITE64: "pwrite64", unix.SYS_FSYNC: "fsync",
	unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2", unix.SYS_UNLINKAT: "unlinkat",
	unix.SYS_CONNECT: "connect", unix.SYS_FLOCK: "flock", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_READ: "read",
}

// syscallInfo is the head of struct ptrace_syscall_info (ptrace(2)).
type syscallInfo struct {
	op      uint8
	_       [3]byte
	arch    uint32
	_, _    uint64 // instruction and stack pointer
	numbers [7]uint64
}

const (
	ptraceGetSyscallInfo = 0x420e
	infoEntry            = 1
	infoExit             = 2
)

// run starts the daemon and returns when it is dead. Everything that ptrace
// does must come from one thread.
func (tr *tracer) run(path string, env []string, stderr *os.File) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	tr.inside, tr.dials, tr.issuer = map[int]string{}, map[int]int{}, map[string]bool{}
	process, err := os.StartProcess(path, []string{"falcred", "run"}, &os.ProcAttr{
		Env: env, Files: []*os.File{nil, stderr, stderr}, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return err
	}
	pid := process.Pid
	process.Release()
	defer reap(pid)
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || !status.Stopped() {
		return fmt.Errorf("the traced daemon did not stop at its exec: %v, %v", status, err)
	}
	options := unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(pid, options); err != nil {
		return err
	}
	if err := syscall.PtraceSyscall(pid, 0); err != nil {
		return err
	}
	return tr.loop(pid)
}

// reap makes sure that nothing of the daemon is left, whatever went wrong.
func reap(pid int) {
	syscall.Kill(pid, syscall.SIGKILL)
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, syscall.WALL|unix.WNOTHREAD, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || got == pid && (status.Exited() || status.Signaled()) {
			return
		}
	}
}

func (tr *tracer) loop(pid int) error {
	for {
		select {
		case <-tr.over:
			return nil
		default:
		}
		var status syscall.WaitStatus
		// Without WNOTHREAD it would take other tests' children.
		tid, err := syscall.Wait4(-1, &status, syscall.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		case !status.Stopped():
			if tid == pid {
				return fmt.Errorf("the traced daemon ended by itself: %v", status)
			}
			continue
		}
		signal := status.StopSignal()
		switch {
		case signal == syscall.SIGTRAP|0x80:
			if tr.boundary(pid, tid) {
				return nil
			}
			signal = 0
		case signal == syscall.SIGTRAP, signal == syscall.SIGSTOP: // a clone, and a new thread's first stop
			signal = 0
		}
		if err := syscall.PtraceSyscall(tid, int(signal)); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
}

// boundary looks at an entry into a system call, or the way out of it, and says
// whether this is where the daemon is to die.
func (tr *tracer) boundary(pid, tid int) (die bool) {
	var info syscallInfo
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, ptraceGetSyscallInfo, uintptr(tid), unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 {
		return false
	}
	var label string
	switch info.op {
	case infoEntry:
		label = tr.enter(pid, tid, info.numbers[0], info.numbers[1:])
		tr.inside[tid] = label
	case infoExit:
		label = tr.inside[tid]
		delete(tr.inside, tid)
		if fd, ok := tr.dials[tid]; ok {
			tr.issuer[fmt.Sprint(fd)] = true
			delete(tr.dials, tid)
		}
	}
	if label == "" || !tr.begun {
		return false
	}
	tr.labels = append(tr.labels, map[uint8]string{infoEntry: "before ", infoExit: "after "}[info.op]+label)
	return len(tr.labels) == tr.at
}

// enter names a call that matters, as "fsync .falcred-spending".
func (tr *tracer) enter(pid, tid int, number uint64, args []uint64) string {
	name := watched[number]
	var object string
	switch name {
	case "":
		return ""
	case "openat", "unlinkat", "renameat", "renameat2":
		object = tr.shorten(peekString(pid, args[1]))
	case "connect":
		if family := peek(pid, args[1], 2); len(family) < 2 || family[0] != unix.AF_INET {
			return ""
		}
		tr.dials[tid] = int(args[0])
		return "connect issuer"
	default:
		object = tr.describe(pid, int(args[0]), name)
	}
	if object == "" || name == "read" && object != "issuer" {
		return ""
	}
	if name == "openat" && object == ".portalock" {
		tr.begun = true
	}
	return name + " " + object
}

// describe names a descriptor: a file of the home, or a connection to the issuer.
func (tr *tracer) describe(pid, fd int, name string) string {
	target, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	if err != nil {
		return ""
	}
	if strings.HasPrefix(target, "socket:") {
		if tr.issuer[fmt.Sprint(fd)] && (name == "write" || name == "read") {
			return "issuer"
		}
		return ""
	}
	return tr.shorten(target)
}

var random = regexp.MustCompile(`(-spending|\.tmp)-\w+$`)

// shorten keeps what is the same in every run, and "" for a path elsewhere.
func (tr *tracer) shorten(path string) string {
	switch {
	case path == tr.home:
		return "home"
	case filepath.Dir(path) != tr.home:
		return ""
	}
	return random.ReplaceAllString(filepath.Base(path), "$1")
}

func peek(pid int, address uint64, n int) []byte {
	buffer := make([]byte, n)
	local := []unix.Iovec{{Base: &buffer[0]}}
	local[0].SetLen(n)
	got, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: n}}, 0)
	if err != nil {
		return nil
	}
	return buffer[:got]
}

// peekString reads up to the end of a page: the next may not be there.
func peekString(pid int, address uint64) string {
	const page = 4096
	raw := peek(pid, address, int(page-address%page))
	if text, _, ended := strings.Cut(string(raw), "\x00"); ended {
		return text
	}
	more := peek(pid, address+uint64(len(raw)), page)
	text, _, _ := strings.Cut(string(raw)+string(more), "\x00")
	return text
}
