// Package drive is a disk in memory for a simulator, to be put in the system's place
// ([github.com/falcred/falcred/protocol/disk.Simulate]). To whoever opens, reads and renames files it is a
// file system of Linux, errors included. Beyond that it
//
//   - asks before each operation ([Drive.Before]), so that others can run then, a process
//     can die there, or the operation fail;
//   - loses at a power cut ([Drive.PowerCut]) what was not fsynced: a file's content by blocks
//     of 512 bytes, a folder's names each by itself. POSIX promises no more: the fsync of a
//     file makes its name no safer. What was fsynced stays for ever;
//   - fills up and turns read-only;
//   - gives back a file as it was at some time before ([Drive.Save], [Drive.Put]).
//
// All that is random comes from the generator that it was made with, and nothing else
// decides anything: the same calls have the same results.
//
// Not simulated: owners other than us and root, what the sticky bit forbids, times of
// access, FIFOs and devices, the loss of a mode or owner in a power cut. A mode binds us as
// it does an ordinary user, root too.
//
// A Drive has no lock and starts no goroutine: it is for one caller at a time.
package drive
