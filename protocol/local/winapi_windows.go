package local

import (
	"syscall"
	"unsafe"
)

// What package syscall lacks. The helper, which is started for each credential, is not to be
// linked with x/sys. These libraries are KnownDLLs: no other file can stand in for them.
var (
	kernel32 = syscall.NewLazyDLL("kernel32.dll")
	advapi32 = syscall.NewLazyDLL("advapi32.dll")
	ntdll    = syscall.NewLazyDLL("ntdll.dll")

	procConnectNamedPipe       = kernel32.NewProc("ConnectNamedPipe")
	procCreateEvent            = kernel32.NewProc("CreateEventW")
	procGetCurrentThread       = kernel32.NewProc("GetCurrentThread")
	procGetNamedPipeClientPID  = kernel32.NewProc("GetNamedPipeClientProcessId")
	procGetNamedPipeServerPID  = kernel32.NewProc("GetNamedPipeServerProcessId")
	procGetOverlappedResult    = kernel32.NewProc("GetOverlappedResult")
	procPeekNamedPipe          = kernel32.NewProc("PeekNamedPipe")
	procResetEvent             = kernel32.NewProc("ResetEvent")
	procSetEvent               = kernel32.NewProc("SetEvent")
	procWaitForMultipleObjects = kernel32.NewProc("WaitForMultipleObjects")

	procGetSecurityInfo = advapi32.NewProc("GetSecurityInfo")
	procImpersonate     = advapi32.NewProc("ImpersonateNamedPipeClient")
	procOpenThreadToken = advapi32.NewProc("OpenThreadToken")
	procRevertToSelf    = advapi32.NewProc("RevertToSelf")

	procNtCreateNamedPipeFile = ntdll.NewProc("NtCreateNamedPipeFile")
	procNtStatusToError       = ntdll.NewProc("RtlNtStatusToDosError")
)

const (
	errSharing           = syscall.Errno(32)  // ERROR_SHARING_VIOLATION
	errPipeBusy          = syscall.Errno(231) // ERROR_PIPE_BUSY
	errNoData            = syscall.Errno(232) // ERROR_NO_DATA: the client has left
	errNotConnected      = syscall.Errno(233) // ERROR_PIPE_NOT_CONNECTED
	errPipeConnected     = syscall.Errno(535) // ERROR_PIPE_CONNECTED: the client was faster
	errCannotImpersonate = syscall.Errno(1368)
)

// peek is how many bytes can be read at once.
func peek(h syscall.Handle) (n uint32) {
	if r, _, _ := procPeekNamedPipe.Call(uintptr(h), 0, 0, 0, uintptr(unsafe.Pointer(&n)), 0); r == 0 { // #nosec G103 -- the system's call
		return 0
	}
	return n
}

// newEvent is one that stays set.
func newEvent() (syscall.Handle, error) {
	h, _, err := procCreateEvent.Call(0, 1, 0, 0)
	if h == 0 {
		return 0, err
	}
	return syscall.Handle(h), nil
}

type unicodeString struct {
	length, maximum uint16
	buffer          *uint16
}

type objectAttributes struct {
	length     uint32
	root       syscall.Handle
	name       *unicodeString
	attributes uint32
	descriptor *byte
	qos        uintptr
}

// createPipe makes one instance of a pipe of bytes, which is for this machine alone. The
// first one fails where the name is taken: CreateNamedPipe's FILE_FLAG_FIRST_PIPE_INSTANCE is
// this FILE_CREATE, which wine passes over.
func createPipe(pipe string, descriptor []byte, first bool) (h syscall.Handle, err error) {
	const (
		access          = syscall.GENERIC_READ | syscall.GENERIC_WRITE | syscall.SYNCHRONIZE
		share           = syscall.FILE_SHARE_READ | syscall.FILE_SHARE_WRITE
		open, create    = 1, 2
		rejectRemote    = 2 // FILE_PIPE_REJECT_REMOTE_CLIENTS
		caseInsensitive = 0x40
		unlimited       = 0xffffffff
		buffer          = 64 << 10
	)
	text, err := syscall.UTF16FromString(`\??\pipe\` + pipe[len(pipePrefix):])
	if err != nil {
		return syscall.InvalidHandle, err
	}
	size := uint16(2 * len(text)) // #nosec G115 -- a name of ours
	name := unicodeString{length: size - 2, maximum: size, buffer: &text[0]}
	attributes := objectAttributes{name: &name, attributes: caseInsensitive, descriptor: &descriptor[0]}
	attributes.length = uint32(unsafe.Sizeof(attributes))
	disposition := uintptr(open)
	if first {
		disposition = create
	}
	var status [2]uintptr
	timeout := int64(-50 * 10000)                                                                                           // of WaitNamedPipe: 50 ms
	code, _, _ := procNtCreateNamedPipeFile.Call(uintptr(unsafe.Pointer(&h)), access, uintptr(unsafe.Pointer(&attributes)), // #nosec G103 -- the system's call
		uintptr(unsafe.Pointer(&status)), share, disposition, 0, rejectRemote, 0, 0, unlimited, buffer, buffer, uintptr(unsafe.Pointer(&timeout))) // #nosec G103
	if code != 0 {
		errno, _, _ := procNtStatusToError.Call(code)
		return syscall.InvalidHandle, syscall.Errno(errno)
	}
	return h, nil
}
