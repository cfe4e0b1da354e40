package helper

import (
	"context"
	"iter"

	"github.com/falcred/falcred/protocol"
)

// Watch gives the daemon's credential for q now and after each change of it: a
// refresh, a login, a logout. What the daemon has to say instead comes as a
// *[protocol.Error], and the watch goes on; any other error ends it, as ctx
// does. A slow reader finds the newest credential, not each one in between. A
// key of this end's environment does not matter.
func (c *Client) Watch(ctx context.Context, q protocol.Query) iter.Seq2[protocol.Credential, error] {
	return func(yield func(protocol.Credential, error) bool) {
		cn, err := c.startWatch(ctx, q)
		if err != nil {
			yield(protocol.Credential{}, err)
			return
		}
		defer cn.Close()
		defer context.AfterFunc(ctx, func() { cn.Close() })()
		for {
			line, err := cn.in.ReadLine()
			if err != nil {
				yield(protocol.Credential{}, brokenOff(ctx, err))
				return
			}
			var cred protocol.Credential
			if err = protocol.ParseAnswer(line, &cred); err == nil && !usable(cred) {
				err = protocol.Errorf(protocol.CodeInternal, "falcred's answer is no usable credential")
			}
			if !yield(cred, err) {
				return
			}
		}
	}
}

func (c *Client) startWatch(ctx context.Context, q protocol.Query) (*conn, error) {
	payload, err := q.Payload()
	if err != nil {
		return nil, err
	}
	line, err := protocol.Request{Verb: protocol.VerbWatch, Payload: payload}.Append(nil)
	if err != nil {
		return nil, err
	}
	cn, err := c.dial(ctx, c.others...)
	if err != nil {
		return nil, err
	}
	if _, err := cn.Write(line); err != nil {
		cn.Close()
		return nil, brokenOff(ctx, err)
	}
	return cn, nil
}
