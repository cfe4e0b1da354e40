package events

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// shell is a command of the user's for cmd, without a window.
func shell(ctx context.Context, command string) *exec.Cmd {
	path := filepath.Join(nobodys(), "cmd.exe")
	cmd := exec.CommandContext(ctx, path) // #nosec G204 -- the system's own
	cmd.SysProcAttr = &syscall.SysProcAttr{
		// Nothing of AutoRun; between the first quote and the last the command is as it is.
		CmdLine:       `"` + path + `" /D /S /C "` + command + `"`,
		CreationFlags: windows.CREATE_NO_WINDOW | windows.CREATE_SUSPENDED,
	}
	return cmd
}

// run has a shell's command run to its end, in a job: the end of its context ends its children
// as well, and so does the end of this process. What it leaves behind when it ends by itself may
// go on, as elsewhere. It is suspended until it is in the job, so that no child escapes.
func run(cmd *exec.Cmd) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return err
	}
	defer windows.CloseHandle(job)
	if err := limit(job, windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE); err != nil {
		return err
	}
	cmd.Cancel = func() error { return windows.TerminateJobObject(job, 1) }
	if err := cmd.Start(); err != nil {
		return err
	}
	handleErr := cmd.Process.WithHandle(func(process uintptr) {
		if err = windows.AssignProcessToJobObject(job, windows.Handle(process)); err == nil {
			err = resume(process)
		}
	})
	if handleErr != nil || err != nil {
		cmd.Process.Kill()
	}
	ended := cmd.Wait()
	limit(job, 0)
	if err != nil {
		return err
	}
	return ended
}

// limit sets the flags of a job.
func limit(job windows.Handle, flags uint32) error {
	var info windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION
	info.BasicLimitInformation.LimitFlags = flags
	// #nosec G103 -- a call of the system
	_, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
	return err
}

var resumeProcess = windows.NewLazySystemDLL("ntdll.dll").NewProc("NtResumeProcess")

// resume lets a process go that was started suspended: package os/exec does not keep its thread.
func resume(process uintptr) error {
	if status, _, _ := resumeProcess.Call(process); status != 0 {
		return windows.NTStatus(status) // #nosec G115 -- 32 bits
	}
	return nil
}

// nobodys is a folder into which nobody else can have put a program.
func nobodys() string {
	folder, err := windows.GetSystemDirectory()
	if err != nil {
		return `C:\Windows\System32`
	}
	return folder
}

// variable is a text for the shell to find in its environment. cmd reads what %FALCRED_CAUSE%
// stands for as a part of the command, and a cause can be others' words.
func variable(text string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("&|<>^\"%!()`'", r) || r < ' ' {
			return ' '
		}
		return r
	}, text)
}
