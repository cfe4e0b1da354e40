//go:build !unix

package daemon

import "syscall"

// canTry is false: package net does all there is to do, and these are not called.
const canTry = false

func takesNoDescriptors(uintptr) bool             { return false }
func readNow(uintptr, []byte, bool) (int, error)  { return 0, syscall.EAGAIN }
func writeNow(uintptr, []byte, bool) (int, error) { return 0, syscall.EAGAIN }
