package helper

import (
	"context"
	"iter"

	"github.com/falcred/falcred/protocol"
)

// Watch gives the daemon's credential for q now and after each change of it: a
// refresh, a login, a logout. What the daemon has to say instead comes as a
// *[protocol.Error], and the watch goes on; any other error ends it, as ctx
// does. After the first answer silence means that nothing changes, or that the daemon is
// stopped. A slow reader finds the newest credential, not each one in between. A
// key of this end's environment does not matter, and neither does FALCRED_TEAM: q alone names a team.
func (c *Client) Watch(ctx context.Context, q protocol.Query) iter.Seq2[protocol.Credential, error] {
	return func(yield func(protocol.Credential, error) bool) {
		cn, line, err := c.startWatch(ctx, q)
		if err != nil {
			yield(protocol.Credential{}, err)
			return
		}
		defer cn.Close()
		defer context.AfterFunc(ctx, func() { cn.Close() })()
		for ; ; line, err = cn.in.ReadLine() {
			if err != nil {
				yield(protocol.Credential{}, brokenOff(ctx, err))
				return
			}
			var cred protocol.Credential
			if err = protocol.ParseAnswer(line, &cred); err == nil {
				cred, err = fromOther(cred)
			}
			if err == nil && !cred.IsFor(q) {
				cred, err = protocol.Credential{}, notFor(cred)
			}
			if !yield(cred, err) {
				return
			}
		}
	}
}

// startWatch returns with the first answer.
func (c *Client) startWatch(ctx context.Context, q protocol.Query) (cn *conn, first string, err error) {
	payload, err := q.Payload()
	if err != nil {
		return nil, "", err
	}
	line, err := protocol.Request{Verb: protocol.VerbWatch, Payload: payload}.Append(nil)
	if err != nil {
		return nil, "", err
	}
	if cn, err = c.dial(ctx, c.others...); err != nil {
		return nil, "", err
	}
	if first, err = cn.exchange(ctx, protocol.VerbWatch, line); err != nil {
		cn.Close()
		return nil, "", brokenOff(ctx, err)
	}
	return cn, first, nil
}
