//go:build !unix

package server

// writeNow leaves everything to package net: nothing is served here.
func writeNow(uintptr, []byte) int { return 0 }
