package local

import (
	"runtime"
	"syscall"
	"unsafe"
)

// User is the SID of the user at the other end, by the kernel's word: at the daemon's end
// whose token opened the pipe; at a client's the pipe's owner, since nobody makes a thing
// that belongs to somebody else.
func (c *Conn) User() (sid string, err error) {
	if c.server {
		return c.client, c.unknown
	}
	err = c.control(func(h syscall.Handle) (err error) { sid, err = pipeOwner(h); return err })
	return sid, err
}

// Process is the number of the process at the other end, or 0. It names a process, and
// proves nothing: that may have ended, and its number be another's.
func (c *Conn) Process() int {
	if c.server {
		return c.pid
	}
	return c.ask(procGetNamedPipeServerPID)
}

// ProcessUser is the user of that process, "" where that cannot be known: it may have ended,
// or be one of the system's that we may not ask about.
func (c *Conn) ProcessUser() string {
	if c.server {
		return c.process
	}
	sid, _ := ProcessUser(c.Process())
	return sid
}

func (c *Conn) ask(number *syscall.LazyProc) (pid int) {
	c.control(func(h syscall.Handle) error {
		var n uint32
		if r, _, _ := number.Call(uintptr(h), uintptr(unsafe.Pointer(&n))); r != 0 { // #nosec G103 -- the system's call
			pid = int(n)
		}
		return nil
	})
	return pid
}

func (c *Conn) control(f func(h syscall.Handle) error) error {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return err
	}
	ctlErr := raw.Control(func(fd uintptr) { err = f(syscall.Handle(fd)) })
	if ctlErr != nil {
		return ctlErr
	}
	return err
}

// identify asks who has connected, at the daemon's end.
func (c *Conn) identify() error {
	c.server, c.pid = true, c.ask(procGetNamedPipeClientPID)
	c.process, _ = ProcessUser(c.pid)
	c.unknown = c.control(func(h syscall.Handle) (err error) { c.client, err = askClient(h); return err })
	return c.unknown
}

// askClient is clientUser; in a test it is a kernel that does not know yet.
var askClient = clientUser

// clientUser is who opened the pipe: for a moment, this thread acts as him.
func clientUser(h syscall.Handle) (string, error) {
	runtime.LockOSThread()
	if r, _, err := procImpersonate.Call(uintptr(h)); r == 0 {
		runtime.UnlockOSThread()
		return "", err
	}
	var token syscall.Token
	thread, _, _ := procGetCurrentThread.Call()
	r, _, err := procOpenThreadToken.Call(thread, syscall.TOKEN_QUERY, 1, uintptr(unsafe.Pointer(&token))) // #nosec G103 -- the system's call
	if back, _, err := procRevertToSelf.Call(); back == 0 {
		panic(err) // or this thread would go on as somebody else
	}
	runtime.UnlockOSThread()
	if r == 0 {
		return "", err
	}
	return tokenUser(token)
}

// tokenUser closes the token.
func tokenUser(token syscall.Token) (string, error) {
	defer token.Close()
	user, err := token.GetTokenUser()
	if err != nil {
		return "", err
	}
	return user.User.Sid.String()
}

func pipeOwner(h syscall.Handle) (string, error) {
	const kernelObject, ownerInformation = 6, 1
	var owner *syscall.SID
	var descriptor syscall.Handle
	if r, _, _ := procGetSecurityInfo.Call(uintptr(h), kernelObject, ownerInformation, uintptr(unsafe.Pointer(&owner)), // #nosec G103 -- the system's call
		0, 0, 0, uintptr(unsafe.Pointer(&descriptor))); r != 0 { // #nosec G103
		return "", syscall.Errno(r)
	}
	defer syscall.LocalFree(descriptor)
	return owner.String()
}

// ProcessUser is the SID of the user that a process runs as.
func ProcessUser(pid int) (sid string, err error) {
	const queryLimited = 0x1000                                           // PROCESS_QUERY_LIMITED_INFORMATION
	process, err := syscall.OpenProcess(queryLimited, false, uint32(pid)) // #nosec G115 -- a process's number
	if err != nil {
		return "", err
	}
	defer syscall.CloseHandle(process)
	var token syscall.Token
	if err := syscall.OpenProcessToken(process, syscall.TOKEN_QUERY, &token); err != nil {
		return "", err
	}
	return tokenUser(token)
}
