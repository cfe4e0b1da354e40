//go:build linux && system

package attacks

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"golang.org/x/sys/unix"
)

// me is a copy of the test binary that every user can run.
var me string

// as runs a role of this binary as another user, through further commands such
// as unshare.
func (s *scene) as(uid uint32, role, argument string, through ...string) *exec.Cmd {
	args := append(through, me)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), testkit.RoleVariable + "=" + role, argumentVariable + "=" + argument}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// argumentVariable is what a role is about.
const argumentVariable = "ATTACKS_ARGUMENT"

var roles = map[string]func() error{
	"ask":    func() error { return playAsk(os.Getenv(argumentVariable)) },
	"listen": func() error { return playListen(os.Getenv(argumentVariable)) },
	"spy":    func() error { return playSpy(os.Getenv(argumentVariable)) },
}

// playAsk asks for a credential and prints all that it is told.
func playAsk(socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(testkit.Patience))
	io.WriteString(c, "get https://fal.run\n") // the daemon may have hung up already
	c.(*net.UnixConn).CloseWrite()
	answer, err := io.ReadAll(c)
	fmt.Printf("%s", answer)
	if errors.Is(err, syscall.ECONNRESET) { // hung up on before it was read
		return nil
	}
	return err
}

// playListen plays a daemon that answers nothing, says when it is ready, and
// prints how much it was told once its standard input ends.
func playListen(socket string) error {
	os.Remove(socket)
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o777); err != nil {
		return err
	}
	fmt.Println("ready")
	told, visits := make(chan string, 1000), make(chan bool, 1000)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			visits <- true
			go func() {
				text, _ := io.ReadAll(c)
				told <- string(text)
			}()
		}
	}()
	io.Copy(io.Discard, os.Stdin)
	bytes, n := 0, len(visits)
	for range n { // the visitors have all ended
		bytes += len(<-told)
	}
	fmt.Printf("%d visits, %d bytes\n", n, bytes)
	return nil
}

// playSpy looks into a process by every way that Linux has.
func playSpy(pid string) error {
	runtime.LockOSThread()
	n, err := strconv.Atoi(pid)
	if err != nil {
		return err
	}
	for _, name := range []string{"mem", "environ", "maps", "auxv", "io", "stack", "syscall", "pagemap"} {
		f, err := os.Open("/proc/" + pid + "/" + name)
		if err == nil {
			_, err = f.Read(make([]byte, 1))
			f.Close()
		}
		if name == "mem" && errors.Is(err, syscall.EIO) || errors.Is(err, io.EOF) {
			err = nil // it was opened: address 0 holds nothing
		}
		fmt.Println(name, verdict(err))
	}
	for _, name := range []string{"exe", "cwd", "root"} {
		_, err := os.Readlink("/proc/" + pid + "/" + name)
		fmt.Println(name, verdict(err))
	}
	for _, name := range []string{"fd", "map_files"} {
		_, err := os.ReadDir("/proc/" + pid + "/" + name)
		fmt.Println(name, verdict(err))
	}
	here := []unix.Iovec{{Base: new(byte), Len: 1}}
	_, err = unix.ProcessVMReadv(n, here, []unix.RemoteIovec{{Base: 0x400000, Len: 1}}, 0)
	if errors.Is(err, syscall.EFAULT) {
		err = nil // it may, and there is nothing
	}
	fmt.Println("process_vm_readv", verdict(err))
	if fd, err := unix.PidfdOpen(n, 0); err == nil {
		_, err = unix.PidfdGetfd(fd, 0, 0)
		fmt.Println("pidfd_getfd", verdict(err))
	}
	fmt.Println("ptrace seize", verdict(seize(n)))
	return nil
}

func seize(pid int) error {
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(pid), 0, 0, 0, 0)
	return errnoOf(errno)
}

func errnoOf(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

func verdict(err error) string {
	if err == nil {
		return "GRANTED"
	}
	return "refused"
}

// listen starts a listener of another user's and returns what ends it and says
// what it was told.
func (s *scene) listen(uid uint32, socket string) (end func() string) {
	s.Helper()
	cmd := s.as(uid, "listen", socket)
	in, err := cmd.StdinPipe()
	s.Must(err)
	out, err := cmd.StdoutPipe()
	s.Must(err)
	s.Must(cmd.Start())
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, ready); err != nil || string(ready) != "ready\n" {
		s.Fatalf("the listener says %q: %v", ready, err)
	}
	return func() string {
		in.Close()
		text, _ := io.ReadAll(out)
		cmd.Wait()
		return strings.TrimSpace(string(text))
	}
}
