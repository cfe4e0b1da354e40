package issuer

import "context"

// turn is had by one at a time. It is a channel and no mutex, so that whoever waits for
// it can leave with a context, and synctest's clock runs on meanwhile.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) leave() { <-t }
