package dockercred

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// lockStart locks a file beside the first socket whose folder is ours and this machine's; in
// another's folder somebody could hold the lock for ever, or put a link there, and what
// another machine starts is not here.
// The file stays: to remove it would let two helpers lock two files.
func (r *run) lockStart() (unlock func(), err error) {
	sockets, err := r.client.Sockets()
	if err != nil {
		return nil, err
	}
	var failed []error // of each socket
	for i, socket := range sockets {
		if i+1 < len(sockets) && env.OnNetwork(filepath.Dir(socket)) {
			continue
		}
		f, err := tryStart(socket + ".start")
		if err == nil {
			return func() { f.Close() }, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, err
		}
		failed = append(failed, err) // a read-only home; the runtime folder may do
	}
	return nil, cannotStart(failed[0])
}

// tryStart makes a lock file anew that others can open, or that has a second name: whoever has it
// open could hold it for ever. At worst two helpers start a daemon each, of which one ends at
// once.
func tryStart(path string) (disk.File, error) {
	if err := strict.Folder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if info, err := os.Lstat(path); err == nil && exposed(info) {
		os.Remove(path)
	}
	f, err := strict.OpenRepaired(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := disk.TryLock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
