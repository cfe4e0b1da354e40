// Package upgrade is how a daemon that nobody manages follows an upgrade of its program (S9): it
// finds out that another file stands at the path which it was started from, whether that is to be
// trusted and runs at all, and starts it as its successor.
//
// A [Program] says whether there is something newer. A [Successor] is that, started beside us; an
// [Inheritance] is what it finds, and by which it waits until we have let go. Until then we can
// go on as if nothing had been. Nobody else than the two knows anything of it.
package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/strict"
)

const (
	// settled is between two looks at a file that is new: one that is still being written is
	// another at the second.
	settled = 2 * time.Second
	// versionLimit is how long the new program may take to say its version.
	versionLimit = 5 * time.Second
	// maxVersion is how much it may say.
	maxVersion = 4 << 10
)

// Program is the file that this process runs, by the path that it was started from. It is for one
// goroutine. The zero Program is followed by nobody.
type Program struct {
	Path string   // absolute
	Args []string // what it was started with, without its own name
	Env  []string // and its environment, before anything was added

	Every time.Duration // how often to look at it; 0 is at each whole minute

	runs   fs.FileInfo // what stood there at our start
	seen   fs.FileInfo // what was found to be newer
	failed fs.FileInfo // what was tried and did not do, nil where that is nothing
	why    error       // why it did not
}

// Started is the program of this process, looked at now: call it at the start. Where the path is
// not absolute, nobody can tell later what it named.
func Started(args, environ []string) Program {
	p := Program{Path: args[0], Args: slices.Clone(args[1:]), Env: environ}
	if !filepath.IsAbs(p.Path) {
		return Program{}
	}
	info, err := os.Stat(p.Path)
	if err != nil {
		return Program{}
	}
	p.runs = info
	return p
}

// Follows says whether there is anything to follow.
func (p *Program) Follows() bool { return p.runs != nil }

// Newer is the version of what stands at the path by now, "" where that is what runs, nothing, or
// not yet whole. An error is why it is not to be started; one and the same file is tried once.
func (p *Program) Newer(ctx context.Context) (version string, err error) {
	first, err := os.Stat(p.Path)
	if err != nil || same(first, p.runs) { // an upgrade can take it away for a moment
		p.failed, p.why = nil, nil
		return "", nil
	}
	if p.failed != nil && same(first, p.failed) && first.Mode() == p.failed.Mode() {
		return "", p.why
	}
	task.Wait(settled, ctx.Done())
	second, err := os.Stat(p.Path)
	if err != nil || ctx.Err() != nil || !same(first, second) {
		return "", nil
	}
	if err := strict.Program(p.Path); err != nil {
		return "", err // which may change while the file does not
	}
	p.seen = second
	if version, err = p.version(ctx); err != nil && ctx.Err() == nil {
		p.Failed(err)
	}
	return version, err
}

// Failed notes that what stands there now did not do.
func (p *Program) Failed(why error) {
	if now, err := os.Stat(p.Path); err == nil {
		p.failed, p.why = now, why
	}
}

// same says whether two looks saw one file, with what was in it.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// environ is the environment that it was started with, the variables of that name.
func (p *Program) environ(passes func(name string) bool) []string {
	return slices.DeleteFunc(slices.Clone(p.Env), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return !passes(name)
	})
}

// version asks what stands there for its version. It is given nothing of the environment that could
// be a secret.
func (p *Program) version(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	out := &head{most: maxVersion}
	cmd := exec.CommandContext(ctx, p.Path, "version", "--json") // #nosec G204 -- the path that we were started from
	cmd.Dir, cmd.Stdout, cmd.WaitDelay = string(filepath.Separator), out, time.Second
	cmd.Env = p.environ(func(name string) bool { return name == "PATH" || name == "HOME" })
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", fmt.Errorf("it did not say its version within %s", versionLimit)
	}
	if err != nil {
		return "", fmt.Errorf("it does not say its version: %w", cause(err))
	}
	var answer protocol.VersionAnswer
	if json.Unmarshal(out.Bytes(), &answer) != nil || answer.Version == "" || answer.Protocol < protocol.Version {
		return "", errors.New("it does not say its version as falcred does")
	}
	return protocol.Printable(answer.Version), nil
}

// cause leaves the path out, which stands before it.
func cause(err error) error {
	if named := (*fs.PathError)(nil); errors.As(err, &named) {
		return named.Err
	}
	return err
}

// head keeps the first bytes of what is written.
type head struct {
	bytes.Buffer
	most int
}

func (h *head) Write(b []byte) (int, error) {
	h.Buffer.Write(b[:min(len(b), h.most-h.Len())])
	return len(b), nil
}
