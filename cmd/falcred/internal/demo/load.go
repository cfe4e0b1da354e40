package demo

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// thinkTime is what a client does with its credential, on the average, before
// it asks again: with 200 of them, some 10 000 requests a second.
const thinkTime = 20 * time.Millisecond

// load is many clients that ask for a credential again and again. Every other
// one keeps its connection, the rest connect for each request, as scripts do.
type load struct {
	socket  string
	inspect *inspector
	gap     gap

	stop    chan struct{}
	once    sync.Once
	clients sync.WaitGroup

	requests atomic.Int64
	cut      atomic.Int64   // requests that the gap cut off, or that found no daemon in it
	last     []atomic.Int64 // of each client: when it last got a credential, in Unix nanoseconds

	mu        sync.Mutex // guards what follows
	latencies []time.Duration
	errors    map[string]int // by text
}

func startLoad(clients int, socket string, inspect *inspector) *load {
	l := &load{
		socket: socket, inspect: inspect,
		stop: make(chan struct{}), last: make([]atomic.Int64, clients), errors: map[string]int{},
	}
	for i := range clients {
		l.clients.Go(func() { l.client(i) })
	}
	return l
}

// end lets every request come to its answer. It may be called twice.
func (l *load) end() {
	l.once.Do(func() { close(l.stop) })
	l.clients.Wait()
}

func (l *load) client(number int) {
	keeps := number%2 == 0
	client := &helper.Client{Socket: l.socket}
	defer func() { client.Close() }()
	for {
		select {
		case <-l.stop:
			return
		case <-time.After(rand.N(2 * thinkTime)): // #nosec G404 -- a pause
		}
		if !keeps {
			client.Close()
			client = &helper.Client{Socket: l.socket}
		}
		l.request(client, number)
	}
}

// request counts one request and its time, which includes the gap if it fell
// into that.
func (l *load) request(client *helper.Client, number int) {
	l.requests.Add(1)
	began := time.Now()
	cred, err := ask(client)
	if err != nil && l.gap.excuses(began) {
		l.cut.Add(1)
		if l.gap.wait(l.stop) {
			cred, err = ask(client)
		}
	}
	took := time.Since(began)
	if err == nil {
		err = l.inspect.check(cred)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.latencies = append(l.latencies, took)
	if err != nil {
		l.errors[err.Error()]++
		return
	}
	l.last[number].Store(time.Now().UnixNano())
}

func ask(client *helper.Client) (protocol.Credential, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return client.Get(ctx, protocol.Query{ServerURL: protocol.DefaultServer})
}

// servedSince reports whether every client has got a credential since then.
func (l *load) servedSince(then time.Time) bool {
	for i := range l.last {
		if l.last[i].Load() <= then.UnixNano() {
			return false
		}
	}
	return true
}

func (l *load) result() result {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := result{clients: len(l.last), requests: int(l.requests.Load()), latencies: l.latencies}
	for _, n := range l.errors {
		r.errors += n
	}
	return r
}
