package upgrade

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/falcred/falcred/protocol/env"
)

// Inheritance is what the old program has handed to this one.
type Inheritance struct {
	Socket [2]*os.File // the listener, and the lock
	ready  *os.File
	end    *os.File
}

// first is the descriptor of the first that is inherited.
const first = 3

// Inherited is what this process was started with, nil where it is nobody's successor. It takes
// the variable that says so away, and its children have none of it: call it first.
func Inherited() (*Inheritance, error) {
	value := os.Getenv(env.Inheritance)
	if value == "" {
		return nil, nil
	}
	os.Unsetenv(env.Inheritance)
	if value != inherited {
		return nil, errors.New("the falcred that runs cannot be replaced by this version while it runs\nrestart it: falcred restart")
	}
	var files [4]*os.File
	for i := range files {
		closeOnExec(first + i)
		files[i] = os.NewFile(uintptr(first+i), "inherited")
	}
	return &Inheritance{Socket: [2]*os.File{files[0], files[1]}, ready: files[2], end: files[3]}, nil
}

// Await tells the old one that this one could serve, and returns when that has let go, or has died.
// It fails when ctx ends before.
func (i *Inheritance) Await(ctx context.Context) error {
	io.WriteString(i.ready, readyLine) // nobody reads it where the old one has died, as the end tells too
	i.ready.Close()
	defer i.end.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		i.end.Read(make([]byte, 1)) // nothing ever comes, but its end
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
