package daemon

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/daemon/alarm"
)

// debounce gathers the events of one write: a neighbour's is a truncate and a
// write, ours a rename.
const debounce = 10 * time.Millisecond

// watch sees changes of the token file at once (F3). Where the system has no
// watch to give, a look once a minute has to do.
func (l *Login) watch(ctx context.Context) {
	f := openFolders(l.unwatched)
	defer f.close()
	l.watchBy(ctx, f)
}

func (l *Login) unwatched(err error) {
	l.warn("changes of the token file are seen once a minute only: " + err.Error() +
		"\nif inotify has run out, raise fs.inotify.max_user_instances and max_user_watches")
}

func (l *Login) watchBy(ctx context.Context, f *folders) {
	look := alarm.New()
	defer look.Close()
	for {
		look.Set(l.aim(f))
		l.check()
		l.checkTeam()
		if !l.stirred(ctx, f, look) {
			return
		}
	}
}

// aim watches where the token file is now, its target where it is a link, and the
// fal config.
func (l *Login) aim(f *folders) (again time.Duration) {
	paths := []string{l.file.path}
	if config := nearest(l.cfg.FalConfig.Path); config != "" {
		paths = append(paths, config)
	}
	target, err := l.file.target()
	if err == nil {
		paths = append(paths, target)
	}
	again = f.aim(paths...)
	if err != nil || l.file.guard() != nil { // a link or a folder above may be mended, without an event
		return folderAway
	}
	return again
}

// stirred waits until there may be something new. It is false once ctx has ended.
func (l *Login) stirred(ctx context.Context, f *folders, look *alarm.Alarm) bool {
	var settled <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return false
		case <-look.C:
			return true
		case <-settled:
			return true
		case <-f.stirred:
			l.checkTeam() // whom the next request is attributed to
		}
		// From the first event on, not the last: somebody who writes without
		// a pause must not keep us from looking.
		if settled == nil {
			settled = time.After(debounce)
		}
	}
}

// nearest is path, or the first above it whose folder is there: what is to come
// there may never come to be, and then nothing is polled for it.
func nearest(path string) string {
	for ; len(path) > 1; path = filepath.Dir(path) {
		if isFolder(filepath.Dir(path)) {
			return path
		}
	}
	return ""
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
