package testkit

import "syscall"

// Wine says whether this is not a real Windows.
func Wine() bool { return syscall.NewLazyDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil }
