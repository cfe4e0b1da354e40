package main

import "syscall"

func session() int { return 0 }

// console says whether it has one, be its window shown or not.
func console() bool {
	page, _, _ := syscall.NewLazyDLL("kernel32.dll").NewProc("GetConsoleCP").Call()
	return page != 0
}
