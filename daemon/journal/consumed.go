package journal

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// ConsumedName is the file in the home that names every refresh token that was ever
// used up there, so that none is sent a second time, however old the copy that turns
// up.
//
// It is appended to under .portalock and never rewritten: 16 bytes for each rotation,
// so 300 KiB for a year of tokens that live for an hour. It is scanned, not held in
// memory: where a refresh token turns up that is not the one held, and before one is sent.
const ConsumedName = "falcred.consumed"

// recordSize is what names one token: the first bytes of its SHA-256. The file has one
// after the other and nothing else, so that it needs no parser and a torn write spoils
// nothing but itself.
const recordSize = 16

// recentRecords is how many of the newest records ensureConsumed looks at: far more than
// falcred.json lists, and 16 KiB. A record that is further back is appended twice,
// which does no harm.
const recentRecords = 1024

// Used reports whether refresh was used up in the home, as falcred.consumed says: by
// whichever process, however long ago. A home without that file has used none up. What
// only a [Ledger] knows so far is not in it. No lock is needed: a record that is being
// appended is either there or not.
func Used(home, refresh string) (bool, error) {
	if refresh == "" {
		return false, nil
	}
	return findConsumed(home, tokenfile.Fingerprint(refresh))
}

func findConsumed(home, print string) (bool, error) {
	file, err := openConsumed(home, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer file.Close()
	wanted := recordsOf([]string{print})
	record := make([]byte, recordSize)
	for in := bufio.NewReaderSize(file, 64<<10); ; {
		switch _, err := io.ReadFull(in, record); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // or a torn tail
			return false, nil
		case err != nil:
			return false, err
		case bytes.Equal(record, wanted):
			return true, nil
		}
	}
}

// ensureConsumed appends what of prints is not among the newest records, in one write,
// and brings it to the disk. .portalock is held. It is what records a rotation, what
// takes over the list of an earlier version, and what repairs a file that was deleted or
// put back from a backup: each time what is known elsewhere is made to stand here too.
func ensureConsumed(home string, prints []string) error {
	if len(prints) == 0 {
		return nil
	}
	file, err := openConsumed(home, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = openConsumed(home, os.O_RDWR|os.O_CREATE)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	recent, size, err := readRecent(file)
	if err != nil {
		return err
	}
	var missing []byte
	for record := range slices.Chunk(recordsOf(prints), recordSize) {
		if !recent[[recordSize]byte(record)] {
			missing = append(missing, record...)
		}
	}
	if len(missing) == 0 {
		return fsx.Sync(file) // who wrote them may have died before his
	}
	if size == 0 { // its name first: whoever finds a record takes that for safe
		if err := fsx.SyncFolder(home); err != nil {
			return err
		}
	}
	if _, err := file.WriteAt(missing, size); err != nil {
		return err
	}
	return fsx.Sync(file)
}

// openConsumed opens the list. What stands in its place and can name no token (a folder, a
// FIFO, a link to nowhere) is set aside, and a mode that keeps us out put right. What may hold a
// list stays where it is, though we cannot read it: another user's file, and what a link leads
// to. Only a person can say whether that can go.
func openConsumed(home string, flag int) (disk.File, error) {
	path := filepath.Join(home, ConsumedName)
	file, err := strict.Open(path, flag, 0o600)
	if err == nil || !strict.Blocked(path, err) || mayName(path) || strict.Repair(path) != nil {
		return file, err
	}
	return strict.Open(path, flag, 0o600)
}

// mayName says whether there may be names of tokens behind what cannot be opened.
func mayName(path string) bool {
	info, err := disk.Lstat(path)
	if err != nil {
		return true
	}
	switch info.Mode().Type() {
	case 0:
		return !strict.Ours(info)
	case fs.ModeSymlink:
		_, err := disk.Stat(path)
		return !errors.Is(err, fs.ErrNotExist)
	}
	return false
}

// readRecent returns the newest records, and where the next one goes: over a torn
// tail, which names no token.
func readRecent(file disk.File) (recent map[[recordSize]byte]bool, size int64, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	size = info.Size() - info.Size()%recordSize
	from := max(0, size-recentRecords*recordSize)
	data := make([]byte, size-from)
	if _, err := file.ReadAt(data, from); err != nil && len(data) > 0 {
		return nil, 0, err
	}
	recent = make(map[[recordSize]byte]bool, len(data)/recordSize)
	for record := range slices.Chunk(data, recordSize) {
		recent[[recordSize]byte(record)] = true
	}
	return recent, size, nil
}

// recordsOf leaves out what names no token: falcred.json may have been edited.
func recordsOf(prints []string) (data []byte) {
	for _, print := range prints {
		if record, err := hex.DecodeString(print); err == nil && len(record) == recordSize {
			data = append(data, record...)
		}
	}
	return data
}
