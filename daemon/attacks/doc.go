// Package attacks tries by force what falcred promises of secrecy and of load. It holds tests only:
// they drive the real programs, built once, against an identity provider in the test process, in homes
// of their own. What is tried:
//
//   - every secret that was ever issued or configured is looked for in whatever the programs print, log,
//     write and hand on, crashes included (S4, R12);
//   - credentials are asked for on behalf of look-alikes, redirects, poisoned discovery and foreign
//     issuers, and every host that is contacted is listed (§4, R13);
//   - other users, squatted paths, links, debuggers and servers that are none of ours (S2, S3, S4, F6);
//   - crowds: forced refreshes, silent, slow and hostile connections, answers that nobody reads (§4, S6).
//
// Every test adds rows to a table, which is printed when all have run. `.ci/attacks` runs them with the
// race detector; `.ci/attacks long` with the numbers that the documentation quotes.
//
// Memory and waiting times are figures of the daemon without the race detector, and are reported: a test
// fails on what is wrong, never on what is slow. The tests need Linux, and most need root, to be several
// users; where something is missing they are skipped and say so in their row, and with CI set they fail.
package attacks
