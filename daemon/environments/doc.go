// Package environments lives with falcred in odd places. It holds tests only: each drives the two real
// programs through a login's whole life, in one environment: log in, start on demand, get, a forced
// refresh, kill -9, start again, get, log out; and afterwards nothing is left but what is meant to be.
//
// The environments are homes (names, lengths, links, read-only), users (root, one without a name,
// nobody, user namespaces), limits (descriptors, threads, file sizes, address space, the umask, inotify,
// a twentieth of a processor) and file systems (tmpfs, ext4, overlayfs, FUSE, full ones, namespaces):
// each value beside a plain rest, and the pairs that have met in the field.
//
// Where an environment forbids a part of that life, it must be said in words that name what forbids it,
// with an exit code, within seconds, and with no token used up.
//
//	go test -tags system -v ./daemon/environments
//
// prints a table of them. Most need root, for mounts, users and cgroups; fuse, bindfs and mkfs.ext4 are
// Debian's. What is missing skips, and says so in its row; with CI set it fails.
package environments
