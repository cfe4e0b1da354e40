package tokenfile

import (
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/fsnotify/fsnotify"
)

// FolderPoll is how often falcred checks for a folder that has vanished, or whose rights may
// be put right.
const FolderPoll = time.Second

// Watch says that something may have happened to files, by watching the folders that they
// are in: a file that is renamed over takes its own watch with it. The folders may vanish,
// move and come back too. It may say so too often, and after a lost event not at all: read
// once a minute as well.
//
// Nobody waits for fsnotify, and what reads its channels never calls it. It sends
// without a buffer, and 1.10.1 sends some errors while it holds the lock that Add,
// Remove, WatchList and Close want: of a folder that was moved and then deleted,
// for one. So one goroutine calls it (tend), another reads (hear), and what they
// hand over is a value that the newest one replaces.
//
// Aim and Close are for one goroutine.
type Watch struct {
	changed chan struct{} // gets one thing, however much has happened
	wanted  chan aim      // holds one, the newest
	aimed   atomic.Pointer[aim]
	failed  func(error) // is called with why there is nothing to watch with
	stop    func()      // ends what a simulated disk tells; nil on the system's
}

// aim is what is to be watched.
type aim struct {
	at    map[string]fs.FileInfo // the folders, as they are now
	names []string               // what matters in them
}

// OpenWatch makes one that watches nothing yet. failed is called, on a goroutine of the
// Watch, with the reason why a folder is not watched; the next Aim tries again.
func OpenWatch(failed func(error)) *Watch {
	w := &Watch{changed: make(chan struct{}, 1), wanted: make(chan aim, 1), failed: failed}
	w.aimed.Store(&aim{})
	stop, simulated := disk.Notify(w.happened)
	if w.stop = stop; !simulated {
		go w.tend()
	}
	return w
}

// Changed gets something when files that are aimed at may have changed: one thing,
// however much has happened. It is never closed.
func (w *Watch) Changed() <-chan struct{} { return w.changed }

// Close ends the watches and waits for nobody. Nothing may be aimed after it.
func (w *Watch) Close() {
	if w.stop != nil {
		w.stop()
	}
	close(w.wanted)
}

// Aim watches the folders of those paths as they are now. What happened before
// they were watched is reported too. It says when to aim again if nothing happens: a
// folder may come back, and a link above it may change, without an event.
//
// The first path is in the home. A folder is watched only where it is ours alone. kqueue opens
// every file of a folder that is watched, so with it none above the home is, which may hold all that
// a user has. For what is not watched there is the look once a minute.
func (w *Watch) Aim(paths ...string) (again time.Duration) {
	again = clock.UntilMinute(clock.Now())
	a := aim{at: map[string]fs.FileInfo{}}
	for i, path := range paths {
		a.names = append(a.names, filepath.Base(path))
		folder := filepath.Dir(path)
		info, err := disk.Stat(folder)
		if err != nil || !info.IsDir() {
			again = FolderPoll
		} else if ours := strict.Ours(info) && !fsx.OthersCanWrite(info); ours && (i == 0 || opensNothing || !above(info, paths[0])) && !contains(a.at, info) {
			a.at[folder] = info // one folder, two names: one watch
		}
	}
	before := w.aimed.Swap(&a)
	if w.stop != nil { // a simulated disk tells of all folders
		w.compare(before.at, a.at)
		return again
	}
	select {
	case <-w.wanted: // nobody has come to it yet
	default:
	}
	w.wanted <- a
	return again
}

// opensNothing says that the system watches a folder without opening what is in it (inotify,
// ReadDirectoryChangesW).
const opensNothing = runtime.GOOS == "linux" || runtime.GOOS == "windows"

// above says whether a folder is one of those above the folder of path.
func above(info fs.FileInfo, path string) bool {
	for dir := filepath.Dir(filepath.Dir(path)); ; dir = filepath.Dir(dir) {
		if it, err := disk.Stat(dir); err == nil && disk.SameFile(it, info) {
			return true
		}
		if dir == filepath.Dir(dir) {
			return false
		}
	}
}

func contains(folders map[string]fs.FileInfo, info fs.FileInfo) bool {
	for _, known := range folders {
		if disk.SameFile(known, info) {
			return true
		}
	}
	return false
}

// compare reports folders that were not aimed at before: what happened in them was left out.
func (w *Watch) compare(before, now map[string]fs.FileInfo) {
	for folder, info := range now {
		if old := before[folder]; old == nil || !disk.SameFile(old, info) {
			w.report()
		}
	}
}

// tend is the only one who calls fsnotify. Where the system has no watch to give,
// the next aim tries again.
func (w *Watch) tend() {
	var events *fsnotify.Watcher
	at := map[string]fs.FileInfo{} // the folders watched, as they were then
	for a := range w.wanted {
		if events == nil {
			made, err := fsnotify.NewWatcher()
			if err != nil {
				w.failed(err)
				continue
			}
			events = made
			go w.hear(events)
		}
		w.turn(events, at, a.at)
	}
	if events != nil {
		events.Close()
	}
}

// turn watches what is wanted and ends the watches of what is not, or no longer the
// same: a watch stays with the folder, not with its name.
func (w *Watch) turn(events *fsnotify.Watcher, at, wanted map[string]fs.FileInfo) {
	alive := events.WatchList()
	for folder, info := range at {
		if now := wanted[folder]; now == nil || !disk.SameFile(now, info) || !slices.Contains(alive, folder) {
			events.Remove(folder)
			delete(at, folder)
		}
	}
	for folder, info := range wanted {
		if at[folder] != nil {
			continue
		}
		switch err := events.Add(folder); {
		case err == nil:
			at[folder] = info
			w.report() // what happened before was seen by nobody
		case errors.Is(err, fs.ErrNotExist):
			clock.AfterFunc(FolderPoll, w.report)
		default:
			w.failed(err)
		}
	}
}

// hear is the only one who reads fsnotify's channels. It ends when they are closed.
func (w *Watch) hear(events *fsnotify.Watcher) {
	for {
		select {
		case event, open := <-events.Events:
			if !open {
				return
			}
			w.happened(event.Name)
		case _, open := <-events.Errors:
			if !open {
				return
			}
			w.report() // events were lost
		}
	}
}

// happened leaves out what else happens in a home: the lock, journal entries, our own files.
func (w *Watch) happened(path string) {
	a := w.aimed.Load()
	if _, folder := a.at[path]; folder || slices.Contains(a.names, filepath.Base(path)) {
		w.report()
	}
}

func (w *Watch) report() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}
