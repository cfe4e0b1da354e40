package service

import "golang.org/x/sys/windows"

// alive says whether a process of ours runs; 0 is none. One that has ended is there as long as
// anybody holds a handle of it. One that we may not ask may be ours all the same: it was started
// "as administrator".
func alive(pid int) bool {
	process, err := windows.OpenProcess(windows.SYNCHRONIZE, false, uint32(pid)) // #nosec G115 -- a process id, which Windows makes 32 bits long
	if err != nil {
		return err != windows.ERROR_INVALID_PARAMETER // there is none of that number
	}
	defer windows.CloseHandle(process)
	event, err := windows.WaitForSingleObject(process, 0)
	return err == nil && event == uint32(windows.WAIT_TIMEOUT)
}
