package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

var errFollowed = errors.New("is kept by falcred follow, and holds no login of its own")

// ErrOwnLogin is a file that must not be written over.
var ErrOwnLogin = errors.New("a login of its own is in this home, and is not written over\nset FAL_HOME_DIR to another folder, or log out here first")

// Followed is a token file that holds another machine's access token, for
// unmodified programs that read it: `falcred follow` keeps it. One process at a
// time does, for a home.
type Followed struct {
	file    tokenFile
	lock    interface{ Close() error }
	folders *folders
}

// OpenFollowed takes the home's file over, if no login is in it.
func OpenFollowed(cfg Config, warn func(string)) (*Followed, error) {
	f := &Followed{file: tokenFile{path: cfg.tokenPath(), warn: warn}}
	if err := f.foreign(f.file.read()); err != nil {
		return nil, err
	}
	lock, err := claimFollow(filepath.Join(cfg.Home, "falcred.follow"))
	if err != nil {
		return nil, err
	}
	f.lock = lock
	said := ""
	f.folders = openFolders(func(err error) {
		text := cfg.Home + " cannot be watched, and is looked at once a minute: " + err.Error()
		if text != said {
			warn(text)
		}
		said = text
	})
	return f, nil
}

// Held is what an earlier follow has left in the file.
func (f *Followed) Held() protocol.Credential {
	t := fromFile(f.file.read().pair, time.Now())
	return protocol.Credential{Username: "Bearer", Secret: protocol.Secret(t.access), Expires: t.expires}
}

// Close removes nothing.
func (f *Followed) Close() {
	f.folders.close()
	f.lock.Close()
}

// Watch gets something when the file may have changed: a neighbour may delete it
// (§2), and the home may vanish and come back. Without that, the file should be
// looked at, and Watch be called, again after that time. It is for one goroutine.
func (f *Followed) Watch() (changed <-chan struct{}, again time.Duration) {
	paths := []string{f.file.path}
	if target, err := f.file.target(); err == nil {
		paths = append(paths, target)
	}
	return f.folders.stirred, f.folders.aim(paths...)
}

// Put has the file hold that access token, "" for no file at all. It writes
// under the lock (F1), over its own earlier file or none (F5).
func (f *Followed) Put(ctx context.Context, access string) error {
	want := pair{env.Placeholder, access}
	if !visible(access) || len(want.format()) > maxTokenFile {
		return errors.New("what the socket tells is no access token")
	}
	before := f.file.read()
	if f.holds(before, want) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	hold, err := acquire(ctx, filepath.Join(filepath.Dir(f.file.path), lockFile))
	if err != nil {
		return err
	}
	defer hold.release()
	before = f.file.read()
	if err := f.foreign(before); err != nil || f.holds(before, want) {
		return err
	}
	target, err := f.file.target()
	if err != nil {
		return err
	}
	unchanged := func() error {
		if err := hold.confirm(ctx); err != nil {
			return err
		}
		if !sameReading(f.file.read(), before) {
			return errChanged
		}
		return nil
	}
	for _, left := range temporaries(target) {
		os.Remove(left) // a killed follow's; it holds a token
	}
	if access != "" {
		return f.file.replace(target, want, unchanged)
	}
	if err := unchanged(); err != nil {
		return err
	}
	return os.Remove(target)
}

// holds says whether nothing has to be done.
func (f *Followed) holds(r reading, want pair) bool {
	return r.pair == want || want.access == "" && r.state == fileAbsent
}

// foreign is why the file is not ours to write. An empty one may be a login that
// is being written.
func (f *Followed) foreign(r reading) error {
	switch {
	case r.state == fileAbsent, errors.Is(r.err, errFollowed):
		return nil
	case r.state == fileHolds:
		return fmt.Errorf("%s: %w", f.file.path, ErrOwnLogin)
	case r.state == fileEmpty:
		return fmt.Errorf("%s is empty: its writer is at work, or died\nremove it if nobody is logging in", f.file.path)
	}
	return fmt.Errorf("%w\n%s", r.err, r.mend())
}
