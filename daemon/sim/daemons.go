//go:build linux

package main

import (
	"context"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/sim/drive"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

const (
	home      = "/home/ann/.fal"
	tokenPath = home + "/" + env.TokenFile
	server    = "https://fal.run"
)

var servers = func() env.Servers {
	s, err := env.NewServers(func(string) string { return "" })
	if err != nil {
		panic(err)
	}
	return s
}()

// config is what each falcred of the home is set to.
func (w *world) config() login.Config {
	return login.Config{
		Home: home, FalsHome: true, Issuer: issuer.FalIssuer, ClientID: issuer.FalClientID,
		Audience: issuer.FalAudience, Scopes: issuer.FalScopes, Servers: servers, Transport: w,
	}
}

// daemon is one of those of the home, which has one after the other of it run.
type daemon struct {
	w       *world
	name    string
	proc    *process // nil while none runs
	manager *login.Manager
	stop    chan struct{}
	since   time.Duration // when it was started
	again   bool          // it is about to be started
}

// start has it run.
func (d *daemon) start() {
	if d.runs() {
		return
	}
	w := d.w
	w.say("%s starts", d.name)
	d.proc, d.manager, d.stop, d.since = &process{name: d.name, kind: aDaemon}, nil, make(chan struct{}), w.clock.mono
	p, stop := d.proc, d.stop
	w.judge.disturb()
	w.spawn(p, func() { d.serve(p, stop) })
}

// daemonOf is the one that a process is, nil where it is none.
func (w *world) daemonOf(p *process) *daemon {
	if i := slices.IndexFunc(w.daemons, func(d *daemon) bool { return d.proc == p }); i >= 0 {
		return w.daemons[i]
	}
	return nil
}

func (d *daemon) runs() bool { return d.proc != nil && !d.proc.dead }

// serve is what `falcred run` does about the login.
func (d *daemon) serve(p *process, stop chan struct{}) {
	w := d.w
	defer func() { w.kill(p) }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := fsx.MakeHome(home); err != nil {
		w.say("%s cannot start: %v", d.name, err)
		d.later()
		return
	}
	m, err := login.Open(ctx, w.config(), w.log(d.name))
	if err != nil {
		w.say("%s cannot start: %v", d.name, err)
		d.later()
		return
	}
	d.manager = m
	var running task.Group
	running.Go(func() { m.Run(make(chan struct{})) })
	task.Wait(task.Forever, stop)
	w.say("%s is asked to end", d.name)
	cancel()
	running.Wait()
	m.Close()
	w.say("%s ends", d.name)
}

// later starts it after a while, as a service manager or the next client does.
func (d *daemon) later() {
	w := d.w
	if d.again {
		return
	}
	d.again = true
	delay := w.between(50*time.Millisecond, 5*time.Second)
	switch w.rng.IntN(20) {
	case 0:
		delay = w.between(time.Minute, 6*time.Hour)
	case 1, 2:
		delay = w.between(5*time.Second, time.Minute)
	}
	w.judge.disturb()
	w.clock.add(delay, nil, func() {
		d.again = false
		d.start()
	})
}

// end asks it to end.
func (d *daemon) end() {
	if d.runs() {
		close(d.stop)
		d.w.judge.disturb()
		d.stop = make(chan struct{})
		d.later()
	}
}

// serves says whether clients can ask it.
func (d *daemon) serves() bool { return d.runs() && d.manager != nil }

// client has one of a daemon's ask for something, if there is a daemon.
func (d *daemon) client(ask func(m *login.Manager)) {
	if m := d.manager; d.serves() {
		d.w.spawn(d.proc, func() { ask(m) })
	}
}

// get is a client's.
func (d *daemon) get(m *login.Manager, q protocol.Query) {
	begun := d.w.clock.mono
	q.ServerURL = server
	a, err := m.Get(context.Background(), q)
	d.w.judge.answered(d, q, a, err, begun)
}

// ask is a client that gets once.
func (d *daemon) ask(q protocol.Query) {
	d.client(func(m *login.Manager) { d.get(m, q) })
}

// watch is a client that stays for a while.
func (d *daemon) watch(long time.Duration) {
	w := d.w
	d.client(func(m *login.Manager) {
		for until := w.clock.mono + long; w.clock.mono < until; {
			changed := m.Snapshot().Changed()
			d.get(m, protocol.Query{})
			task.Wait(min(until-w.clock.mono, time.Hour), changed)
		}
	})
}

// doom waits for a rotation to come to its nth seam: a death, or what then happens beside it.
type doom struct {
	seams int
	power bool   // the machine dies, and not the daemon alone
	then  func() // nobody dies, and this happens
}

// rotator is the name of the thread in which a daemon's rotations run.
const rotator = "login.Open.func1"

// strikes says that the moment has come.
func (d *doom) strikes(t *thread) bool { return t.rotates && t.steps == d.seams }

// someSeam picks one of a rotation's: each of those that the last one came to, by what happens
// there, as often as any other, and now and then one that only a longer one comes to.
func (w *world) someSeam(r *rand.Rand) int {
	if n := w.plan.seams; n > 0 {
		return 1 + r.IntN(n)
	}
	if len(w.trail) == 0 || r.IntN(8) == 0 {
		return 1 + r.IntN(250)
	}
	places := map[string][]int{}
	for i, seam := range w.trail {
		name := seam.name()
		places[name] = append(places[name], i+1)
	}
	names := slices.Sorted(maps.Keys(places))
	at := places[names[r.IntN(len(names))]]
	return at[r.IntN(len(at))]
}

// seam is where a thread is: what it is about to do.
type seam struct {
	phase, label string
	at           drive.Op // without a label
}

func (s seam) name() string {
	if s.label != "" {
		return s.phase + s.label
	}
	return s.phase + s.at.Kind.String() + " " + class(s.at.Path)
}

// strike has the process of a thread, or the machine, die at a seam.
func (w *world) strike(d *doom, t *thread, label string) {
	if d.then != nil {
		d.then()
		return
	}
	name := seam{t.phase, label, w.at}.name()
	w.counts.crashes++
	w.counts.seams[name]++
	if d.power {
		w.say("the machine loses its power while %s is at: %s", t.proc.name, name)
		w.powerCut()
		return
	}
	w.say("kill -9 of %s at: %s", t.proc.name, name)
	w.kill(t.proc)
	w.revive()
}

// powerCut ends all that runs.
func (w *world) powerCut() {
	w.judge.read() // at what was so a moment before
	for _, t := range w.threads {
		t.proc.dead = true
	}
	for _, d := range w.daemons {
		if d.proc != nil {
			d.proc.dead = true
		}
	}
	w.clock.drop()
	w.disk.PowerCut()
	w.judge.powerCut()
	w.revive()
}

// revive has those that died start again.
func (w *world) revive() {
	for _, d := range w.daemons {
		if d.proc != nil && d.proc.dead {
			d.later()
		}
	}
}

// log is where a daemon logs: the story.
func (w *world) log(name string) *slog.Logger {
	if !w.story.on {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(teller{w, name}, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

type teller struct {
	w    *world
	name string
}

func (t teller) Write(line []byte) (int, error) {
	t.w.say("%s logs: %s", t.name, strings.TrimSpace(string(line)))
	return len(line), nil
}
