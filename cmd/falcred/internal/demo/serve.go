package demo

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/helper"
)

func (d *demo) client() *helper.Client { return &helper.Client{Socket: d.socket} }

// serve lets many clients ask while the login is refreshed several times. Some
// of them stay for the next step.
func (d *demo) serve(ctx context.Context) error {
	d.Say("tokens of this issuer live 24 hours; an aged one in the file lets 13 hours pass at once,")
	d.Say("so the daemon refreshes, and the issuer takes %s, as one across a network does", issuerDelay)
	d.load = startLoad(clients, d.socket, newInspector(d.issuer.URL))
	var done atomic.Int64
	err := d.During(func() string {
		return fmt.Sprintf("refresh %d of %d, %d requests", min(done.Load()+1, refreshes), refreshes, d.load.requests.Load())
	}, func() error {
		for range refreshes {
			pause := time.After(time.Second)
			if err := d.refresh(ctx); err != nil {
				return err
			}
			select {
			case <-pause: // so that each refresh meets its share of the requests
			case <-ctx.Done():
				return ctx.Err()
			}
			done.Add(1)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r := d.load.result()
	d.Say("%d requests, %d errors, p50 %s, p99 %s", r.requests, r.errors, r.percentile(50), r.percentile(99))
	d.Say("every answer was checked: %d different tokens, all of the issuer's making, none run out", d.load.inspect.tokens())
	return nil
}

// refresh makes one due and waits for its end.
func (d *demo) refresh(ctx context.Context) error {
	used, err := d.age()
	if err != nil {
		return err
	}
	return d.settled(ctx, used)
}

// crash kills the daemon when the issuer has used up the refresh token and its
// answer is on the way. Only an issuer that accepts the previous token for a
// moment can make good for that; falcred's part is to know that it must ask
// again, and to be in time.
func (d *demo) crash(ctx context.Context) error {
	const overlap = 20 * time.Second // more than a busy machine needs to start the daemon again
	d.issuer.SetConfig(func(c *idp.Config) { c.Overlap = overlap })
	d.Say("from here on the issuer accepts the previous token for %s more; without such an overlap,", overlap)
	d.Say("an answer that dies on its way is a login lost, whoever the client is")

	hold := idp.NewHold()
	d.issuer.Inject(hold.After())
	before := d.issuer.Stats()
	used, err := d.age()
	if err != nil {
		return err
	}
	err = d.During(ui.Still("waiting for the daemon to refresh"), func() error {
		select {
		case <-hold.Arrived:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(patience):
			return fmt.Errorf("no refresh within %s", patience)
		}
	})
	if err != nil {
		return err
	}
	if err := d.restart(ctx); err != nil {
		return err
	}
	close(hold.Release)
	if err := d.settled(ctx, used); err != nil {
		return err
	}
	return d.recovered(ctx, before)
}

func (d *demo) restart(ctx context.Context) (err error) {
	old := d.daemon.process.Pid
	d.load.gap.begin()
	d.daemon.kill()
	err = d.During(ui.Still("starting it again"), func() error {
		d.daemon, err = startDaemon(ctx, environment(d.path, d.socket, d.issuer.URL), d.socket)
		return err
	})
	if err != nil {
		return err
	}
	missing := d.load.gap.end()
	d.Say("the issuer had used up the token, its answer was on the way: killed process %d", old)
	d.Say("process %d answers; there was no daemon for %s", d.daemon.process.Pid, round(missing))
	return nil
}

// recovered ends the clients' work when each has been served by the new daemon.
func (d *demo) recovered(ctx context.Context, before idp.Stats) error {
	now := time.Now()
	err := until(ctx, "an answer for every client", func() bool { return d.load.servedSince(now) })
	if err != nil {
		return err
	}
	d.load.end()
	after := d.issuer.Stats()
	if after.Replays == before.Replays {
		d.lapse("the new daemon did not ask again for the answer that was lost")
	} else {
		d.Say("it found the note of the refresh that was cut off, and asked again within the overlap")
	}
	d.Say("%d requests met the gap and were repeated once; the login is %s", d.load.cut.Load(), alive(d.loginAlive()))
	d.falcred = d.load.result()
	for text, n := range d.load.errors {
		d.lapse("%d times: %s", n, text)
	}
	return nil
}

func (d *demo) loginAlive() bool {
	refresh, _ := readTokens(d.tokenFile())
	return d.issuer.Alive(refresh)
}

func alive(is bool) string {
	if is {
		return "alive"
	}
	return "dead"
}
