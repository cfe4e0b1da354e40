package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/falcred/falcred/daemon/alarm"
	"github.com/falcred/falcred/protocol"
	"github.com/fsnotify/fsnotify"
)

const (
	// debounce gathers the events of one write: a neighbour's is a truncate
	// and a write, ours a rename.
	debounce = 10 * time.Millisecond
	// folderAway is how often a folder that vanished is looked for.
	folderAway = time.Second
)

// watch sees changes of the token file at once (F3). Where the system has no
// watch to give, the schedule's look once a minute has to do.
func (l *Login) watch(ctx context.Context) {
	look := alarm.New()
	defer look.Close()
	for {
		events, err := fsnotify.NewWatcher()
		if err == nil {
			defer events.Close()
			s := &sentry{login: l, events: events, look: look, at: map[string]fs.FileInfo{}}
			s.run(ctx)
			return
		}
		l.unwatched(err)
		if !nextLook(ctx, look) {
			return
		}
	}
}

func (l *Login) unwatched(err error) {
	l.warn("changes of the token file are seen once a minute only: " + err.Error() +
		"\nif inotify has run out, raise fs.inotify.max_user_instances and max_user_watches")
}

// sentry watches folders, since a file that is renamed over takes its own
// watch with it.
type sentry struct {
	login  *Login
	events *fsnotify.Watcher
	look   *alarm.Alarm
	at     map[string]fs.FileInfo // the folders watched, as they were then
	names  []string               // what matters in them
}

func (s *sentry) run(ctx context.Context) {
	for {
		wait := s.aim()
		s.login.check() // after aiming: what happened before it was seen by nobody
		s.login.checkTeam()
		if !s.next(ctx, wait) {
			return
		}
	}
}

// next waits until there may be something new, or wait has passed.
func (s *sentry) next(ctx context.Context, wait time.Duration) bool {
	s.look.Set(wait)
	var settled <-chan time.Time
	for {
		matters := false
		select {
		case <-ctx.Done():
			return false
		case <-s.look.C:
			return true
		case <-settled:
			return true
		case event, open := <-s.events.Events:
			if !open {
				return false
			}
			if matters = s.concerns(event); matters {
				s.login.checkTeam() // whom the next request is attributed to
			}
		case _, open := <-s.events.Errors:
			if !open {
				return false
			}
			matters = true // events were lost
		}
		// From the first event on, not the last: somebody who writes without
		// a pause must not keep us from looking.
		if matters && settled == nil {
			settled = time.After(debounce)
		}
	}
}

// concerns leaves out what else happens in a home: locks, places, our memory.
func (s *sentry) concerns(event fsnotify.Event) bool {
	_, folder := s.at[event.Name]
	return folder || slices.Contains(s.names, filepath.Base(event.Name))
}

// aim watches the folders where the token file is now: the home's, and its
// target's where it is a link. It says when to aim again if nothing happens: a
// folder may vanish and come back, and a link above it may change, without an
// event.
func (s *sentry) aim() time.Duration {
	wait := untilLook(time.Now())
	if s.login.file.guard() != nil {
		wait = folderAway // a folder above may be mended, without an event
	}
	folders := []string{s.login.cfg.Home}
	s.names = []string{protocol.TokenFile}
	if target, err := s.login.file.target(); err == nil {
		folders = append(folders, filepath.Dir(target))
		s.names = append(s.names, filepath.Base(target))
	} else {
		wait = folderAway
	}
	folder, name := s.configFolder()
	if folder != "" {
		folders, s.names = append(folders, folder), append(s.names, name)
	}
	wanted := map[string]fs.FileInfo{}
	for _, folder := range folders {
		info, err := os.Stat(folder)
		if err != nil || !info.IsDir() {
			wait = folderAway
		} else if !contains(wanted, info) { // one folder, two names: one watch
			wanted[folder] = info
		}
	}
	s.drop(wanted)
	for folder, info := range wanted {
		if s.at[folder] != nil {
			continue
		}
		switch err := s.events.Add(folder); {
		case err == nil:
			s.at[folder] = info
		case errors.Is(err, fs.ErrNotExist):
			wait = folderAway
		default:
			s.login.unwatched(err)
		}
	}
	return wait
}

// drop ends watches of folders that are no longer wanted, or no longer the
// same: the watch stays with the folder, not with its name.
func (s *sentry) drop(wanted map[string]fs.FileInfo) {
	alive := s.events.WatchList()
	for folder, info := range s.at {
		if now := wanted[folder]; now == nil || !os.SameFile(now, info) || !slices.Contains(alive, folder) {
			s.events.Remove(folder)
			delete(s.at, folder)
		}
	}
}

// configFolder is where the fal config is, and its name, or where its folder
// will be: it may never come to be, and then nothing is polled for it.
func (s *sentry) configFolder() (folder, name string) {
	for path := s.login.cfg.FalConfig.Path; len(path) > 1; path = filepath.Dir(path) {
		if isFolder(filepath.Dir(path)) {
			return filepath.Dir(path), filepath.Base(path)
		}
	}
	return "", ""
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func contains(folders map[string]fs.FileInfo, info fs.FileInfo) bool {
	for _, known := range folders {
		if os.SameFile(known, info) {
			return true
		}
	}
	return false
}
