package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// folderAway is how often a folder that vanished is looked for.
const folderAway = time.Second

// folders tells that something has happened to files, by watching the folders
// that they are in: a file that is renamed over takes its own watch with it. The
// folders may vanish, move and come back too.
//
// Nobody waits for fsnotify, and who reads its channels never calls it. It sends
// without a buffer, and 1.10.1 sends some errors while it holds the lock that Add,
// Remove, WatchList and Close want: of a folder that was moved and then deleted,
// for one. So one goroutine calls it (tend), another reads (hear), and what they
// hand over is a value that the newest one replaces.
//
// aim and close are for one goroutine.
type folders struct {
	stirred chan struct{} // gets one thing, however much has happened
	wanted  chan aim      // holds one, the newest
	aimed   atomic.Pointer[aim]
	failed  func(error) // is told why there is nothing to watch with
}

// aim is what is to be watched.
type aim struct {
	at    map[string]fs.FileInfo // the folders, as they are now
	names []string               // what matters in them
}

func openFolders(failed func(error)) *folders {
	f := &folders{stirred: make(chan struct{}, 1), wanted: make(chan aim, 1), failed: failed}
	go f.tend()
	return f
}

// close waits for nobody.
func (f *folders) close() { close(f.wanted) }

// aim watches the folders of those paths as they are now. What happened before
// they were watched is stirred too. It says when to aim again if nothing happens: a
// folder may come back, and a link above it may change, without an event.
func (f *folders) aim(paths ...string) (again time.Duration) {
	again = untilLook(time.Now())
	a := aim{at: map[string]fs.FileInfo{}}
	for _, path := range paths {
		a.names = append(a.names, filepath.Base(path))
		folder := filepath.Dir(path)
		info, err := os.Stat(folder)
		if err != nil || !info.IsDir() {
			again = folderAway
		} else if !contains(a.at, info) { // one folder, two names: one watch
			a.at[folder] = info
		}
	}
	f.aimed.Store(&a)
	select {
	case <-f.wanted: // nobody has come to it yet
	default:
	}
	f.wanted <- a
	return again
}

func contains(folders map[string]fs.FileInfo, info fs.FileInfo) bool {
	for _, known := range folders {
		if os.SameFile(known, info) {
			return true
		}
	}
	return false
}

// tend is the only one who calls fsnotify. Where the system has no watch to give,
// the next aim tries again.
func (f *folders) tend() {
	var events *fsnotify.Watcher
	at := map[string]fs.FileInfo{} // the folders watched, as they were then
	for a := range f.wanted {
		if events == nil {
			made, err := fsnotify.NewWatcher()
			if err != nil {
				f.failed(err)
				continue
			}
			events = made
			go f.hear(events)
		}
		f.turn(events, at, a.at)
	}
	if events != nil {
		events.Close()
	}
}

// turn watches what is wanted and ends the watches of what is not, or no longer the
// same: a watch stays with the folder, not with its name.
func (f *folders) turn(events *fsnotify.Watcher, at, wanted map[string]fs.FileInfo) {
	alive := events.WatchList()
	for folder, info := range at {
		if now := wanted[folder]; now == nil || !os.SameFile(now, info) || !slices.Contains(alive, folder) {
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
			f.stir() // what happened before was seen by nobody
		case errors.Is(err, fs.ErrNotExist):
			time.AfterFunc(folderAway, f.stir)
		default:
			f.failed(err)
		}
	}
}

// hear is the only one who reads fsnotify's channels. It ends when they are closed.
func (f *folders) hear(events *fsnotify.Watcher) {
	for {
		select {
		case event, open := <-events.Events:
			if !open {
				return
			}
			if f.concerns(event.Name) {
				f.stir()
			}
		case _, open := <-events.Errors:
			if !open {
				return
			}
			f.stir() // events were lost
		}
	}
}

// concerns leaves out what else happens in a home: locks, places, our memory.
func (f *folders) concerns(path string) bool {
	a := f.aimed.Load()
	_, folder := a.at[path]
	return folder || slices.Contains(a.names, filepath.Base(path))
}

func (f *folders) stir() {
	select {
	case f.stirred <- struct{}{}:
	default:
	}
}
