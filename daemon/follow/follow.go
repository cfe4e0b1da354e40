// Package follow keeps another machine's access token in the token file of this one, for
// unmodified programs that read it: what `falcred follow` needs. It holds no refresh
// token, so it never refreshes, and it never writes over a login of the home's own: one
// that appears meanwhile ends it.
package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/env"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/protocol"
)

// ErrOwnLogin is the error for a home in which a login of its own lies: its file must not be
// written over.
var ErrOwnLogin = errors.New("this home has a login of its own, which is not overwritten\nset FAL_HOME_DIR to another folder, or log out here first")

// File is a token file that is followed. One process at a time keeps it, for a home.
type File struct {
	home  string
	file  tokenfile.File
	lock  io.Closer
	watch *tokenfile.Watch
}

// Open takes the file of a home over, if no login is in it: else the error is [ErrOwnLogin].
// warn is called, from any goroutine, with what people should know but what stops nothing.
func Open(home string, warn func(string)) (*File, error) {
	f := &File{home: home, file: tokenfile.In(home, warn)}
	if err := f.foreign(f.file.Read()); err != nil {
		return nil, err
	}
	lock, err := socket.ClaimFollow(filepath.Join(home, "falcred.follow"))
	if err != nil {
		return nil, err
	}
	f.lock = lock
	said := ""
	f.watch = tokenfile.OpenWatch(func(err error) {
		text := home + " cannot be watched, and is checked only once a minute: " + err.Error()
		if text != said {
			warn(text)
		}
		said = text
	})
	return f, nil
}

// Held is the access token that an earlier follow has left in the file; it may have expired.
func (f *File) Held() protocol.Credential {
	t := tokenfile.Dated(f.file.Read().Pair, clock.Now())
	return protocol.Credential{Username: "Bearer", Secret: protocol.Secret(t.Access), Expires: t.Expires}
}

// errChanged asks for another try: somebody else writes the file.
var errChanged = errors.New(tokenfile.ChangingText)

// Close ends the watch and gives the home back. The file stays.
func (f *File) Close() {
	f.watch.Close()
	f.lock.Close()
}

// Watch returns a channel that gets something when the file may have changed: another
// program may delete it, and the home may vanish and come back. Where nothing comes, call Put
// and Watch again after that time. It is for one goroutine.
func (f *File) Watch() (changed <-chan struct{}, again time.Duration) {
	paths := []string{f.file.Path}
	if target, err := f.file.Target(); err == nil {
		paths = append(paths, target)
	}
	return f.watch.Changed(), f.watch.Aim(paths...)
}

// Put has the file hold that access token, "" for no file at all. It writes under the lock
// that fal's programs use, which it waits for until ctx ends, and only where there is no file
// or an earlier one of its own. The error is [ErrOwnLogin] where a login is in it.
func (f *File) Put(ctx context.Context, access string) error {
	want := tokenfile.TokenPair{Refresh: env.Placeholder, Access: access}
	if !tokenfile.Printable(access) || len(want.Bytes()) > tokenfile.MaxSize {
		return errors.New("the daemon at the socket sent something that is no access token")
	}
	before := f.file.Read()
	if f.holds(before, want) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, tokenfile.LockWait)
	defer cancel()
	lock, err := tokenfile.Acquire(ctx, f.home)
	if err != nil {
		return err
	}
	defer lock.Release()
	before = f.file.Read()
	if err := f.foreign(before); err != nil || f.holds(before, want) {
		return err
	}
	target, err := f.file.Target()
	if err != nil {
		return err
	}
	unchanged := func() error {
		if err := lock.Confirm(ctx); err != nil {
			return err
		}
		if !f.file.Read().Same(before) {
			return errChanged
		}
		return nil
	}
	for _, left := range fsx.Temporaries(target) {
		os.Remove(left) // a killed follow's; it holds a token
	}
	if access != "" {
		return f.file.Replace(target, want, unchanged)
	}
	if err := unchanged(); err != nil {
		return err
	}
	return os.Remove(target)
}

// holds says whether nothing has to be done.
func (f *File) holds(r tokenfile.Content, want tokenfile.TokenPair) bool {
	return r.Pair == want || want.Access == "" && r.State == tokenfile.Absent
}

// foreign is why the file is not ours to write. An empty one may be a login that
// is being written.
func (f *File) foreign(r tokenfile.Content) error {
	switch {
	case r.State == tokenfile.Absent, errors.Is(r.Err, tokenfile.ErrFollowed):
		return nil
	case r.State == tokenfile.Holds:
		return fmt.Errorf("%s: %w", f.file.Path, ErrOwnLogin)
	case r.State == tokenfile.Empty:
		return fmt.Errorf("%s %s\nremove it if nobody is logging in", f.file.Path, tokenfile.EmptyText)
	}
	return fmt.Errorf("%w\n%s", r.Err, r.Hint())
}
