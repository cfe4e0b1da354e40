//go:build unix

package daemon

import (
	"time"
)

// until polls: what is waited for happens in another process.
func (w *world) until(what string, ok func() bool) {
	w.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			w.Fatalf("it never came that %s\n%s", what, w.log)
		}
	}
}

func (w *world) servesTheFile() bool {
	r := w.file.read()
	c, err := w.get()
	w.mu.Lock()
	defer w.mu.Unlock()
	return err == nil && r.state == fileHolds && string(c.Secret) == r.pair.access && w.flight == nil && w.login.fresh(time.Now())
}

// expire makes the login due for whoever looks, in place as the SDK writes.
func (w *world) expire() (refresh string) {
	refresh = w.inFile().refresh
	w.write(refresh, w.idp.Mint("ann", time.Now().Add(-3*time.Hour), 2*time.Hour))
	return refresh
}
