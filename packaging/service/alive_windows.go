package service

import "golang.org/x/sys/windows"

// alive says whether a process of ours runs; 0 is none. One that has ended is there as long as
// anybody holds a handle of it.
func alive(pid int) bool {
	process, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid)) // #nosec G115 -- a process id, which Windows makes 32 bits long
	if err != nil {
		return false
	}
	defer windows.CloseHandle(process)
	event, err := windows.WaitForSingleObject(process, 0)
	return err == nil && event == uint32(windows.WAIT_TIMEOUT)
}
