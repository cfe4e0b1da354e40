package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// End asks the daemon that client finds to end (S10), and waits until its process has: what it
// has begun it finishes first (S5). pid is that process, 0 where no daemon runs.
func End(ctx context.Context, client *helper.Client) (pid int, err error) {
	status, err := client.End(ctx)
	refused := new(protocol.Error)
	switch {
	case errors.Is(err, helper.ErrNotRunning):
		return 0, nil
	case errors.As(err, &refused) && refused.Code == protocol.CodeBadRequest:
		return 0, fmt.Errorf("the daemon is %s, which does not know how to stop\nend it: %s %d", status.Version, killing, status.PID)
	case err != nil:
		return 0, err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for alive(status.PID) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("falcred was asked to stop and process %d has not ended: %w", status.PID, context.Cause(ctx))
		}
	}
	return status.PID, nil
}
