//go:build linux || darwin || windows

package tokenfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/fsnotify/fsnotify"
)

// What else happens in the home is no reason to look at the file, and nobody who
// is busy keeps fsnotify waiting.
func TestWatchIgnoresOthers(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, "auth0_token")
	w := &Watch{changed: make(chan struct{}, 1), wanted: make(chan aim, 1)}
	w.Aim(file)
	events := &fsnotify.Watcher{Events: make(chan fsnotify.Event), Errors: make(chan error)}
	go w.hear(events)
	tell := func(name string) { events.Events <- fsnotify.Event{Name: name, Op: fsnotify.Write} }
	for _, name := range []string{".falcred-spending-x", ".portalock", "falcred.json", "1"} {
		tell(filepath.Join(home, name))
	}
	tell(filepath.Join(home, "the ones before have been heard"))
	if len(w.changed) != 0 {
		t.Error("others matter")
	}
	for what, happen := range map[string]func(){
		"the file":    func() { tell(file) },
		"the folder":  func() { tell(home) },
		"lost events": func() { events.Errors <- fsnotify.ErrEventOverflow },
	} {
		for range 100 {
			happen()
		}
		tell("the ones before have been heard")
		select {
		case <-w.Changed():
		default:
			t.Errorf("%s: nobody is told", what)
		}
	}
	close(events.Errors)
}

// S5: who aims and closes does not wait for fsnotify, whatever that does: here nobody
// comes to what is wanted of it.
func TestS5WatchMakesNobodyWait(t *testing.T) {
	w := &Watch{changed: make(chan struct{}, 1), wanted: make(chan aim, 1)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			w.Aim(filepath.Join(t.TempDir(), "auth0_token"))
		}
		w.Close()
	}()
	select {
	case <-done:
	case <-time.After(testkit.Patience):
		t.Fatal("it waits for fsnotify")
	}
}

// watched is a Watch of a token file in a folder that can go, with a reader as others
// have it: only a folder that is away is looked for; all else must be an event.
type watched struct {
	*testing.T
	*Watch
	folder, file string
	more         []string // paths to watch besides
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	w := &watched{T: t, Watch: OpenWatch(func(err error) { t.Error(err) }), folder: filepath.Join(t.TempDir(), "home")}
	w.file = filepath.Join(w.folder, "auth0_token")
	testkit.Must(t, os.Mkdir(w.folder, 0o700))
	t.Cleanup(w.Close)
	return w
}

func (w *watched) write(path, text string) {
	w.Helper()
	testkit.Must(w.T, os.WriteFile(path, []byte(text), 0o600))
}

// sees waits until the file holds that, "" for none, as one who looks at each event does.
func (w *watched) sees(want string) {
	w.Helper()
	late := time.After(testkit.Patience)
	for {
		again := w.Aim(append(w.more, w.file)...)
		data, err := os.ReadFile(w.file)
		if string(data) == want && (err == nil) == (want != "") {
			return
		}
		var poll <-chan time.Time
		if again <= FolderPoll {
			poll = time.After(again)
		}
		select {
		case <-w.Changed():
		case <-poll:
		case <-late:
			w.Fatalf("nobody saw %q", want)
		}
	}
}

// quiet waits until what happened before was told. What is written now is seen by an
// event, or not at all.
func (w *watched) quiet() {
	w.Helper()
	w.write(filepath.Join(w.folder, "auth0_token"), "a mark")
	w.sees("a mark")
	for {
		select {
		case <-w.Changed():
			w.Aim(append(w.more, w.file)...)
		case <-time.After(50 * time.Millisecond):
			return
		}
	}
}

// told wants the change that has just been made to be told.
func (w *watched) told(what string) {
	w.Helper()
	select {
	case <-w.Changed():
	case <-time.After(testkit.Patience):
		w.Fatalf("%s: nobody is told", what)
	}
}

// F3: whatever way a neighbour writes, it is told at once.
func TestF3WatchSeesEachWrite(t *testing.T) {
	w := newWatched(t)
	for name, change := range map[string]func(){
		"in place": func() { w.write(w.file, "text") },
		"renamed over": func() {
			w.write(w.file+".new", "text")
			testkit.Must(t, os.Rename(w.file+".new", w.file))
		},
		"made anew": func() {
			testkit.Must(t, os.Remove(w.file))
			w.write(w.file, "text")
		},
	} {
		w.quiet()
		change()
		w.told(name)
	}
	w.quiet()
	testkit.Must(t, os.Remove(w.file))
	w.sees("")
}

// F3: the folder behind a link is watched, too.
func TestF3WatchBehindALink(t *testing.T) {
	w := newWatched(t)
	target := filepath.Join(t.TempDir(), "login") // another name than the link's
	w.more = []string{target}
	testkit.Symlink(t, target, w.file)
	w.quiet()
	w.write(target, "text")
	w.told("the target")
}

// F3, S5: a folder that is moved, deleted and made anew again and again is watched
// again, at once. fsnotify 1.10.1 tells of that as an error, which it sends while it
// holds the lock that Add and WatchList want.
func TestF3FolderMovedAndDeleted(t *testing.T) {
	w := newWatched(t)
	for i := range 20 {
		w.quiet()
		away := w.folder + ".away"
		testkit.Must(t, os.Rename(w.folder, away))
		if runtime.GOOS != "windows" { // the folder's own name is in no event there
			w.told("a folder that moves")
			if i%2 == 0 {
				w.sees("")
			}
		}
		testkit.Must(t, os.RemoveAll(away))
		testkit.Must(t, os.Mkdir(w.folder, 0o700))
		w.quiet()
		w.write(w.file, "new")
		w.told("a write into the new folder")
	}
}

// What happened before a folder was watched was seen by nobody, and is told.
func TestWatchTellsOfItsBeginning(t *testing.T) {
	w := newWatched(t)
	w.Aim(w.file)
	w.told("the beginning")
}

// A folder that is not there is looked for each second.
func TestWatchLooksForAFolder(t *testing.T) {
	w := newWatched(t)
	if again := w.Aim(w.file); again <= 0 || again > time.Minute {
		t.Errorf("with a folder: again in %v", again)
	}
	if again := w.Aim(w.file, filepath.Join(w.folder, "none", "file")); again != FolderPoll {
		t.Errorf("without one: again in %v", again)
	}
}

// F3: a watch stays with the folder, not with its name: one of that name that is another
// is watched anew, even if nothing has told of the change yet. One that goes at that
// very moment is looked for again.
func TestF3WatchStaysWithTheFolder(t *testing.T) {
	w := &Watch{changed: make(chan struct{}, 1), failed: func(err error) { t.Error(err) }}
	events, err := fsnotify.NewWatcher()
	testkit.Must(t, err)
	defer events.Close()
	before, folder := t.TempDir(), t.TempDir()
	was, err := disk.Stat(before)
	testkit.Must(t, err)
	is, err := disk.Stat(folder)
	testkit.Must(t, err)
	testkit.Must(t, events.Add(folder))
	at := map[string]fs.FileInfo{folder: was}
	w.turn(events, at, map[string]fs.FileInfo{folder: is})
	if at[folder] == nil || !disk.SameFile(at[folder], is) || len(events.WatchList()) != 1 {
		t.Errorf("watched: %v", events.WatchList())
	}
	<-w.Changed()
	w.turn(events, at, map[string]fs.FileInfo{filepath.Join(folder, "gone"): was})
	select {
	case <-w.Changed():
	case <-time.After(testkit.Patience):
		t.Error("nobody looks again for a folder that has just gone")
	}
	if len(at) != 0 || len(events.WatchList()) != 0 {
		t.Errorf("watched: %v", events.WatchList())
	}
}

// F3, F6: only a folder that is ours alone is watched, and none above the home where the system
// opens all that is in a folder that it watches.
func TestWatchesOursAlone_F6(t *testing.T) {
	testkit.OnWindows(t, "the folders of this test are those of Unix")
	user := t.TempDir()
	testkit.Must(t, disk.Chmod(user, 0o755))
	home, other, everybodys := filepath.Join(user, "home"), filepath.Join(user, "other"), filepath.Join(user, "tmp")
	for _, folder := range []string{home, other, everybodys} {
		testkit.Must(t, os.Mkdir(folder, 0o700))
	}
	testkit.Must(t, disk.Chmod(everybodys, 0o1777))
	file := filepath.Join(home, "auth0_token")
	for path, want := range map[string]bool{
		filepath.Join(home, "config.toml"): true, filepath.Join(other, "login"): true,
		filepath.Join(user, "login"): opensNothing, filepath.Join(everybodys, "login"): false, "/login": opensNothing && os.Getuid() == 0, "/tmp/login": false,
	} {
		w := &Watch{changed: make(chan struct{}, 1), wanted: make(chan aim, 1)}
		again := w.Aim(file, path)
		_, watched := w.aimed.Load().at[filepath.Dir(path)]
		if watched != want || again <= 0 || again > time.Minute {
			t.Errorf("%s is watched: %v; again in %v", path, watched, again)
		}
		if _, watched := w.aimed.Load().at[home]; !watched {
			t.Error("the home is not watched")
		}
	}
}
