package demo

import (
	"context"
	"errors"
	"io"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
)

// output is where a demo prints to. Where nobody reads it any more (falcred demo | head), the demo ends.
type output struct {
	io.Writer
	end context.CancelCauseFunc
}

func (o output) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if err != nil {
		o.end(unread{err})
	}
	return n, err
}

// unread is why such a write failed.
type unread struct{ error }

func (u unread) Error() string {
	return "the demo has ended: it could print nothing more: " + u.error.Error()
}

// console prints to out. The context ends where that fails.
func console(ctx context.Context, out io.Writer) (*ui.Console, context.Context) {
	ctx, end := context.WithCancelCause(ctx)
	c := ui.NewConsole(out)
	c.Out = output{out, end}
	return c, ctx
}

// ended is why a demo has ended: where its context has, that is the reason for whatever else failed.
func ended(ctx context.Context, err error) error {
	var lost unread
	switch {
	case ctx.Err() == nil:
		return err
	case errors.As(context.Cause(ctx), &lost):
		return lost
	}
	return errors.New("interrupted")
}
