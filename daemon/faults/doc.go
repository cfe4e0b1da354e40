// Package faults breaks everything around a running falcred and looks whether the login survives. It
// holds tests only: they drive the real program, built once, against an identity provider in the
// test process, in homes of their own. What is broken:
//
//   - the process, by kill -9 at random moments of a refresh and at each of its system calls (R4, S5);
//   - the disk, before and during a refresh: full, read-only, failing, gone (R4, R5, F3);
//   - the token file, replaced by whatever else can have its name (F2, F3);
//   - the network: its link, the names on it, and a gateway that answers for the issuer (R7 to R11);
//   - the machine: no inotify, no descriptors, little memory, clocks that jump, restarts (F3, S6, R2).
//
// A login has survived when the token file holds its family's living refresh token, a get over the
// socket is answered with a bearer token that the issuer accepts, one further refresh succeeds, and
// nothing but falcred's own few files is left in the home.
//
// Every test adds rows to a table, which is printed when all have run (go test shows it with -v):
//
//	go test -tags system -v ./daemon/faults
//	FALCRED_LONG=1 go test -tags system -v -timeout 2h ./daemon/faults
//
// The first is short, a minute or so on two cores; the second has the numbers that the documentation
// quotes, and fills a disk for an hour.
//
// With -race the daemon is built with the race detector too. The tests need Linux; some need root (for
// private mounts) or strace. Where those are missing they are skipped, and say so in their row; with
// CI set they fail instead. Mounts happen in a mount namespace of the test's own.
package faults
