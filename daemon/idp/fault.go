package idp

import (
	"context"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Fault says what goes wrong with one refresh. The zero Fault is none: useful in a queue. Fields
// combine, so a test can start from a constructor and change a field:
//
//	f := idp.HTML(502)  // the token stays unused …
//	f.NoCommit = false  // … and now it does not
//
// faults.go has the constructors. What a fault says of the reply holds for a refused refresh too.
type Fault struct {
	Name string // for Requests

	Before Pause // before the commit; a client that leaves meanwhile leaves its token unused
	After  Pause // between the commit and the reply

	NoCommit bool // the token is not looked at: Status, Header and Body are the answer
	NoRotate bool // new access token, but the refresh token stays unused and none comes back

	Subject  string               // the tokens are issued to this one
	IDClaims func(map[string]any) // changes the ID token before it is signed
	Mutate   func(map[string]any) // changes the reply's fields

	Status   int         // instead of the status that is due
	Header   http.Header // added to the reply's, or replacing them
	Body     []byte      // instead of the reply's fields, when not nil
	Delivery Delivery
	Pace     time.Duration // between bytes, with Drip
	Size     int           // of the filler, with Flood
}

// Delivery is how a reply's bytes travel.
type Delivery int

const (
	Whole      Delivery = iota
	Half                // the headers with the full Content-Length, half of the body, and the connection is closed
	Silent              // the connection is closed with no byte written
	Drip                // byte by byte, Pace apart
	Flood               // with Size bytes of filler as the last member of the JSON object
	FloodFirst          // the same, as the first member
)

// Pause holds a request up; it returns early, with an error, when ctx ends. Nil does not pause.
//
// A test may write its own. One that ignores ctx, as Fault.Before, is the provider that commits late,
// after its client has gone and perhaps come back with the same token; Server.Close waits for it.
type Pause func(ctx context.Context) error

func (p Pause) done(ctx context.Context) bool { return p == nil || p(ctx) == nil }

// For pauses for a time.
func For(d time.Duration) Pause {
	return func(ctx context.Context) error {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Forever pauses until the client leaves.
func Forever(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Hold stops requests at a known point until the test lets them go on, so that neither needs to sleep.
type Hold struct {
	Arrived chan struct{} // receives one value per request that has come to the point (the first 64 unread ones)
	Release chan struct{} // send to let one request go on, close to let all
}

// NewHold returns a hold that Before and After make faults of.
func NewHold() *Hold {
	return &Hold{Arrived: make(chan struct{}, 64), Release: make(chan struct{})}
}

// Before holds requests that have arrived and not been committed.
func (h *Hold) Before() Fault { return Fault{Name: "hold before commit", Before: h.wait} }

// After holds requests that have been committed and not been answered.
func (h *Hold) After() Fault { return Fault{Name: "hold after commit", After: h.wait} }

func (h *Hold) wait(ctx context.Context) error {
	select {
	case h.Arrived <- struct{}{}:
	default: // nobody reads: a test that only wants to hold
	}
	select {
	case <-h.Release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Inject queues faults: the next refresh requests meet one each, in order of arrival.
func (p *Provider) Inject(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.queue = append(p.queue, faults...)
}

// SetFault makes every refresh meet this fault, those of the queue excepted, until SetFault(nil).
func (p *Provider) SetFault(f *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.always = nil
	if f != nil {
		c := *f
		p.always = &c
	}
}

func (p *Provider) nextFaultLocked() Fault {
	if len(p.queue) > 0 {
		f := p.queue[0]
		p.queue = p.queue[1:]
		return f
	}
	if p.always != nil {
		return *p.always
	}
	return Fault{}
}

// reply writes what the fault leaves of a reply.
func (f Fault) reply(w http.ResponseWriter, r *http.Request, status int, fields map[string]any) {
	if f.Delivery == Silent {
		panic(http.ErrAbortHandler) // net/http closes the connection and logs nothing
	}
	if f.Mutate != nil {
		f.Mutate(fields)
	}
	body := f.Body
	if body == nil {
		body = mustJSON(fields)
	}
	if f.Status != 0 {
		status = f.Status
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	maps.Copy(h, f.Header)
	if f.Delivery != Flood && f.Delivery != FloodFirst {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	f.deliver(w, r, body)
}

func (f Fault) deliver(w http.ResponseWriter, r *http.Request, body []byte) {
	flush := http.NewResponseController(w).Flush
	switch f.Delivery {
	case Half:
		w.Write(body[:len(body)/2])
		flush()
		panic(http.ErrAbortHandler)
	case Drip:
		for i := range body {
			w.Write(body[i : i+1])
			if flush() != nil || !For(f.Pace).done(r.Context()) {
				panic(http.ErrAbortHandler)
			}
		}
	case Flood:
		w.Write(body[:len(body)-1])
		fill(w, f.Size, `,"zzz":"`, `"}`)
	case FloodFirst:
		fill(w, f.Size, `{"aaa":"`, `",`)
		w.Write(body[1:])
	default:
		w.Write(body)
	}
}

// fill writes a reply that nobody should read to its end, without ever holding it in memory: a test
// that watches the client's memory shares the process with it.
func fill(w io.Writer, size int, before, after string) {
	io.WriteString(w, before)
	for piece := []byte(strings.Repeat("z", 32<<10)); size > 0; size -= len(piece) {
		if _, err := w.Write(piece[:min(size, len(piece))]); err != nil {
			return
		}
	}
	io.WriteString(w, after)
}
