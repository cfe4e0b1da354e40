package httpx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// ErrNoNameserver is the error of a request whose time was up while a name was looked up.
var ErrNoNameserver = errors.New("no nameserver answers")

// ErrProxySilent is the error where a proxy takes connections and makes no tunnel.
var ErrProxySilent = errors.New("the proxy does not answer")

// stage is how far a connection has come.
type stage int32

const (
	begun stage = iota
	resolving
	dialling
	connected // to the issuer, or its proxy
	open      // the tunnel, to speak TLS with the issuer
)

// trip is one request on its way. When its time is up, net/http does not say what it was
// waiting for.
type trip struct {
	proxied bool
	stage   atomic.Int32
}

type tripKey struct{}

// tripOf is the trip of a dialler's context, nil where there is none.
func tripOf(ctx context.Context) *trip {
	t, _ := ctx.Value(tripKey{}).(*trip)
	return t
}

func (t *trip) reach(s stage) {
	if t != nil {
		t.stage.Store(int32(s))
	}
}

// explain adds to an error of a request whose time was up what it was waiting for.
func (t *trip) explain(err error) error {
	switch at := stage(t.stage.Load()); {
	case at == resolving && t.proxied:
		return fmt.Errorf("%w (%w)", &net.OpError{Op: "proxyconnect", Err: ErrNoNameserver}, err)
	case at == resolving:
		return fmt.Errorf("%w (%w)", ErrNoNameserver, err)
	case at == connected && t.proxied:
		return fmt.Errorf("%w (%w)", ErrProxySilent, err)
	}
	return err
}
