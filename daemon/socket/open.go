//go:build linux || darwin || windows

package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// Open takes the socket that was inherited, or makes one at the first place that
// can hold it. Another daemon there is an error that names its process, unless it is to
// be ended: that takes up to 30 s, and no longer than ctx lasts.
func Open(ctx context.Context, o Options) (*Socket, error) {
	if o.Inherited != nil {
		return inherit(ctx, o.Inherited)
	}
	claim := claim
	if o.TakeOver {
		claim = func(path string) (*fsx.Lock, error) { return claimFrom(ctx, path, false) }
	}
	lookup := os.LookupEnv
	if o.Path != "" { // a flag can say it too
		lookup = func(name string) (string, bool) {
			if name == "FALCRED_SOCKET" {
				return o.Path, true
			}
			return os.LookupEnv(name)
		}
	}
	places, err := env.Sockets(lookup, o.Home)
	if err != nil {
		return nil, err
	}
	last := len(places) - 1
	for _, place := range places[:last] {
		if folder := filepath.Dir(place.Path); env.OnNetwork(folder) {
			err = fmt.Errorf("%s is on a network file system", folder)
			continue
		}
		var s *Socket
		if s, err = listenAt(place.Path, claim); err == nil || !holdsNoSocket(err) {
			return s, err
		}
	}
	s, lastErr := listenAt(places[last].Path, claim)
	if own := filepath.Join(o.Home, filepath.Base(places[last].Path)); err == nil && places[last].Shared {
		err = env.CheckSocketPath(own) // it was no place at all
	}
	if lastErr == nil && err != nil {
		text, _, _ := strings.Cut(err.Error(), "\n")
		s.warnings = append(s.warnings, fmt.Sprintf("the socket is %s: %s", s.path, text))
	}
	return s, lastErr
}

// listenAt makes the socket (S1, S2), once claim has got its lock.
func listenAt(path string, claim func(string) (*fsx.Lock, error)) (s *Socket, err error) {
	if err := env.CheckSocketPath(path); err != nil {
		return nil, err
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	lock, err := claim(path)
	if other := (runningError{}); errors.As(err, &other) && other.away != "" && !strings.Contains(err.Error(), "\n") {
		err = fmt.Errorf("%w\n%s", err, other.endIt())
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			lock.Close()
		}
	}()
	if err := clearStale(path); err != nil {
		return nil, err
	}
	if s, err = bind(path); err != nil {
		return nil, err
	}
	s.lock = lock
	return s, nil
}

// checkFolder holds S2: whoever can write the folder, or one above it, can put another
// socket there.
func checkFolder(folder string) error {
	err := strict.Folder(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the socket's folder %s does not exist\nmkdir -m 700 %s", folder, folder)
	}
	if err != nil {
		return fmt.Errorf("the socket's folder: %w", err)
	}
	return nil
}
