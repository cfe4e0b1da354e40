package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

const (
	// prefix begins the name of each home that a demo makes.
	prefix = "falcred-demo-"
	// lockName is a file there that is locked for as long as the demo runs.
	lockName = "demo.lock"
)

// home is a folder of a demo's own.
type home struct {
	path, socket string
	lock         disk.File
}

// ownFolders are the user's, in which nobody else can take the name of a home that is gone.
func ownFolders() (list []string) {
	if cache, err := os.UserCacheDir(); err == nil {
		os.Mkdir(cache, 0o700) // a new user has none
		if !env.OnNetwork(cache) && nobodyElses(filepath.Join(cache, prefix)) {
			list = append(list, cache)
		}
	}
	if dir := env.RuntimeDir(os.LookupEnv); dir != "" && nobodyElses(filepath.Join(dir, prefix)) {
		list = append(list, dir)
	}
	return list
}

// temporaryFolders has a second one: macOS has long ones, too long for a socket.
func temporaryFolders() []string { return []string{os.TempDir(), "/tmp"} }

// nobodyElses says whether nobody else can make this file or folder, be it there or not.
func nobodyElses(path string) bool {
	err := strict.File(path)
	problem := strict.As(err)
	return err == nil || problem != nil && problem.Minor
}

// makeHome makes one in the first of some folders where that is possible, and where the path is
// short enough for a socket.
func makeHome(folders []string) (h home, err error) {
	for _, folder := range folders {
		if h, err = homeIn(folder); err == nil {
			return h, nil
		}
	}
	return home{}, err
}

func homeIn(folder string) (h home, err error) {
	if h.path, err = os.MkdirTemp(folder, prefix); err != nil {
		return h, err
	}
	h.socket = filepath.Join(h.path, "falcred.sock")
	if err = env.CheckSocketPath(h.socket); err == nil {
		h.lock, err = lock(h.path, os.O_CREATE)
	}
	if err != nil {
		h.remove()
	}
	return h, err
}

// lock says to other demos that the one of this home runs. It ends with the process, however that does.
func lock(path string, flag int) (disk.File, error) {
	file, err := disk.OpenFile(filepath.Join(path, lockName), os.O_RDWR|flag, 0o600)
	if err != nil {
		return nil, err
	}
	if err := disk.TryLock(file); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (h home) remove() error {
	h.unlock()
	return os.RemoveAll(h.path)
}

func (h home) unlock() {
	if h.lock != nil {
		h.lock.Close()
	}
}

// sweep ends and removes what demos have left that were killed: a home of ours, which none has locked.
func sweep(console *ui.Console, folders []string) {
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			path := filepath.Join(folder, entry.Name())
			info, err := disk.Lstat(path)
			if !strings.HasPrefix(entry.Name(), prefix) || err != nil || !info.IsDir() || !strict.Ours(info) {
				continue
			}
			held, err := lock(path, 0)
			if err != nil {
				continue
			}
			dead := &playground{Console: console, home: home{path: path, lock: held}}
			if err := dead.clean(); err != nil {
				fmt.Fprintf(console.Out, "%s\n\n", err)
				continue
			}
			fmt.Fprintf(console.Out, "removed what a demo that was killed has left: %s\n\n", path)
		}
	}
}
