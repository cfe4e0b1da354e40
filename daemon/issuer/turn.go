package issuer

import (
	"context"

	"github.com/falcred/falcred/daemon/internal/task"
)

// turn is had by one at a time: whoever has what is in it. It is a channel and no mutex, so
// that whoever waits for it can leave with a context, and synctest's clock runs on meanwhile.
type turn chan struct{}

func newTurn() turn {
	t := make(turn, 1)
	t.leave()
	return t
}

func (t turn) take(ctx context.Context) error {
	if task.Wait(task.Forever, t, ctx.Done()) == 1 {
		return ctx.Err()
	}
	return nil
}

func (t turn) leave() { t <- struct{}{} }
