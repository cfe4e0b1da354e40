package main

import "testing"

// What Windows alone has, and what it refuses.
func TestWindowsScripts(t *testing.T) { scripts(t, "testdata/windows") }
