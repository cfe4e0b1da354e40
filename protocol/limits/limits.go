// Package limits says where the system lets a process have less than falcred needs: open
// files, threads, address space, the size of a file.
//
// Under such a limit a daemon is worse than none: it would start, and then hang, refresh
// nothing, or end in the middle of a refresh with a refresh token used up. So nobody starts
// one, and the words name the limit. They are those of this process; a daemon that it starts
// inherits them.
//
// What is looked at: setrlimit(2) on Unix systems, and on Linux pids.max of the cgroups too
// (kernel, Documentation/admin-guide/cgroup-v2.rst). Where something cannot be found out it is
// taken for enough. Any goroutine may ask.
package limits

import (
	"fmt"
	"runtime"
)

const (
	// Files is the least number of open files with which a daemon serves, refreshes, and
	// still has some for clients that it has to turn away.
	Files = 40

	// addressSpace is the least, in bytes. Go reserves some 800 MiB and touches little of
	// it; below that its programs end before their first line, and no words can be said.
	addressSpace = 1 << 30

	// fileSize is the least that the files of a home may grow to, in bytes, for a year:
	// falcred.consumed, the history, and 64 KiB for an answer of the issuer.
	fileSize = 1 << 20

	// spareThreads is how many threads falcred has besides those that compute: one for each
	// file that it waits for, and some of the Go runtime's own.
	spareThreads = 16
)

// Threads is how many threads falcred has ready, so that nothing that it does needs another.
func Threads() int { return runtime.GOMAXPROCS(0) + spareThreads }

// Problem is a limit that is too low.
type Problem struct {
	Text string // which it is, and how much is needed
	Hint string // what to do about it
	// Minor: a daemon runs, with a catch.
	Minor bool
}

// Error is the text, and the hint on a second line.
func (p *Problem) Error() string { return p.Text + "\n" + p.Hint }

// Check is nil where a daemon can run, or else a *[Problem] that is not minor.
func Check() error {
	for _, p := range Examine() {
		if !p.Minor {
			return &p
		}
	}
	return nil
}

// Examine lists all limits that are too low.
func Examine() (problems []Problem) {
	if n, ok := most(openFiles); ok && n < Files {
		problems = append(problems, Problem{
			Text: fmt.Sprintf("a process may have %d files open here, and falcred needs %d", n, Files),
			Hint: "raise the limit: ulimit -n 1024, or LimitNOFILE=1024 in a unit",
		})
	}
	if n, ok := most(addressable); ok && n < addressSpace {
		problems = append(problems, Problem{
			Text: fmt.Sprintf("a process may have %s of address space here, and falcred needs %s, of which it uses little", size(n), size(addressSpace)),
			Hint: "lift the limit: ulimit -v unlimited; what bounds memory is MemoryMax= in a unit",
		})
	}
	if p := CheckThreads(Threads()); p != nil {
		problems = append(problems, *p)
	}
	if n, ok := most(written); ok && n < fileSize {
		problems = append(problems, Problem{
			Text:  fmt.Sprintf("a file may have %s here, and falcred's need %s: it may not refresh", size(n), size(fileSize)),
			Hint:  "lift the limit: ulimit -f unlimited, or LimitFSIZE=infinity in a unit",
			Minor: true,
		})
	}
	return problems
}

// CheckThreads is nil where n more threads can be started, as far as is known. Another
// process may take them in the next moment.
func CheckThreads(n int) *Problem {
	left, by, hint := moreThreads()
	if left >= n {
		return nil
	}
	return &Problem{
		Text: fmt.Sprintf("only %d more processes or threads can be started here (%s), and falcred needs %d", max(left, 0), by, n),
		Hint: hint,
	}
}

func size(n uint64) string {
	switch {
	case n >= 1<<30 && n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n >= 1<<20:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d KiB", n>>10)
}
