//go:build linux

package main

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/sim/drive"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/disk"
)

// calmTime is how long nothing goes wrong before falcred is expected to have come back: its
// longest pause is an hour (R8).
const calmTime = 80 * time.Minute

// broken is what is wrong with the disk, and until when.
type broken struct {
	errors time.Duration
	slow   time.Duration // to bring something to the disk takes time
	last   time.Duration // when the last of it ends, in true time
}

// counts are those of a life, or of many.
type counts struct {
	rotations, crashes, answers, refusals, checks int
	acts, seams                                   map[string]int
}

func newCounts() *counts {
	return &counts{acts: map[string]int{}, seams: map[string]int{}}
}

func (c *counts) add(o *counts) {
	c.rotations += o.rotations
	c.crashes += o.crashes
	c.answers += o.answers
	c.refusals += o.refusals
	c.checks += o.checks
	for _, m := range []struct{ to, from map[string]int }{{c.acts, o.acts}, {c.seams, o.seams}} {
		for _, k := range slices.Sorted(maps.Keys(m.from)) {
			m.to[k] += m.from[k]
		}
	}
}

// live has a life happen, and says what was wrong in it, nil where nothing was.
func live(p *plan, loud bool) (*world, *verdict) {
	w := newWorld(p, loud)
	task.Simulate(w)
	disk.Simulate(w.disk)
	defer func() {
		task.Simulate(nil)
		disk.Simulate(nil)
	}()
	for i, a := range p.acts {
		w.nextAct = a.at - w.clock.slept
		w.run(w.nextAct)
		if w.judge.failed() {
			break
		}
		if i+1 < len(p.acts) {
			w.nextAct = p.acts[i+1].at - w.clock.slept
		}
		w.begin(a)
	}
	for _, t := range w.threads {
		t.proc.dead = true
	}
	w.bury()
	return w, w.judge.verdict
}

// newWorld is the world of a plan, in which a login has been made and the daemons run.
func newWorld(p *plan, loud bool) *world {
	w := &world{rng: rand.New(rand.NewPCG(p.seed, 3)), counts: newCounts(), saved: map[string]saved{}} // #nosec G404 -- a simulation
	w.plan, w.story.on = p, loud
	w.judge = judge{w: w, storing: map[*family]bool{}, inFlight: map[string]*request{}, begun: map[string]bool{}, asked: map[*process]time.Duration{}, odd: map[string]bool{}, foreign: map[string]bool{}, serving: map[*process]served{}, patience: map[*process]patience{}, unheard: map[*process]unanswered{}, older: map[*process]older{}}
	w.idp = &provider{w: w, lifetime: p.lifetime, overlap: p.overlap, opaque: p.opaque, grants: map[string]*grant{}, accesses: map[string]*access{}}
	w.idp.rotateKey()
	w.disk = drive.New(rand.New(rand.NewPCG(p.seed, 4))) // #nosec G404 -- a simulation
	w.disk.Home("/home/ann")
	w.disk.Before, w.disk.Owner, w.disk.Now = w.before, func() any { return w.proc }, w.clock.wall
	for n := range p.daemons {
		d := &daemon{w: w, name: fmt.Sprint("daemon ", n+1)}
		w.daemons = append(w.daemons, d)
		d.start()
	}
	w.falcredLogin("ann")
	return w
}

// before is what a process meets when it asks the disk for something.
func (w *world) before(op drive.Op) error {
	w.at = op
	w.seam("")
	if (op.Kind == drive.Sync || op.Kind == drive.SyncFolder) && w.clock.mono < w.broken.slow && w.cur != nil {
		w.sleep(w.between(time.Millisecond, time.Second))
	}
	fails := w.clock.mono < w.broken.errors && writes(op) && w.chance(0.2)
	w.judge.operates(w.proc, op, fails)
	if fails {
		return syscall.EIO
	}
	return nil
}

// writes says whether an operation changes something, or brings it to the disk.
func writes(op drive.Op) bool {
	switch op.Kind {
	case drive.Create, drive.Write, drive.Truncate, drive.Sync, drive.SyncFolder, drive.Rename, drive.Remove, drive.Chmod:
		return true
	}
	return false
}

// class is what kind of file a path names.
func class(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case strings.HasPrefix(name, ".falcred-spending-"):
		return "the entry"
	case strings.HasPrefix(name, ".") && strings.Contains(name, ".tmp-"):
		return "a temporary file"
	case path == home:
		return "the home"
	}
	return name
}

// begin has an act happen.
func (w *world) begin(a act) {
	w.changed = w.clock.mono
	w.judge.acts()
	w.counts.acts[a.what]++
	w.say("--- act %d: %s", a.n, a.what)
	r := rand.New(rand.NewPCG(a.seed, 2)) // #nosec G404 -- a simulation
	d := w.daemons[r.IntN(len(w.daemons))]
	switch a.what {
	case "calm":
		w.calm()
	case "end":
		d.end()
	case "sleep":
		slept, broken := some(r, time.Minute, 10*time.Hour), w.broken.last > w.clock.elapsed()
		w.clock.sleep(slept)
		if broken { // what is wrong with the disk is so for as long when the machine is awake again
			w.broken.last += slept
		}
		w.judge.slept()
	case "clock":
		w.clock.off = []time.Duration{0, some(r, time.Second, 2*time.Hour), -some(r, time.Second, 2*time.Hour)}[r.IntN(3)]
		w.judge.moved = w.clock.elapsed()
		w.judge.disturb()
	case "get":
		d.ask(protocol.Query{MinValid: r.IntN(2) * r.IntN(3600)})
	case "reject":
		d.reject()
	case "watch":
		d.watch(some(r, time.Minute, 24*time.Hour))
	case "issuer ends":
		if f := w.judge.expected.fam; f != nil && f.ended == "" {
			f.ended = "the issuer"
		}
	case "key":
		w.idp.rotateKey()
	case "wrong ID token":
		w.idp.wrongID = true
	case "bare answer":
		w.idp.bare = true
	case "save":
		w.save(r)
	case "restore":
		w.restore(r)
	default:
		w.beginDeath(a.what, r, d)
		w.beginFault(a.what, r)
		w.beginVisit(a.what, r, d)
	}
}

// beginDeath kills, or has it done in the middle of the next rotation, or something beside that.
func (w *world) beginDeath(what string, r *rand.Rand, d *daemon) {
	switch what {
	case "kill", "power":
		w.doom = &doom{seams: w.someSeam(r), power: what == "power"}
	case "during":
		beside := beside[r.IntN(len(beside))]
		w.doom = &doom{seams: w.someSeam(r), then: func() {
			w.say("--- beside a rotation: %s", beside)
			w.counts.acts["during: "+beside]++
			w.beginFault(beside, r)
			w.beginVisit(beside, r, d)
		}}
	case "crowd": // one unlinks the lock, and the next is there at once
		w.doom = &doom{seams: w.someSeam(r), then: func() {
			w.outside("the CLI, after another", aNeighbour, func(p *process) {
				w.unlink()
				w.cli(p, true)
			})
		}}
	case "kill now":
		if d.runs() {
			w.counts.crashes++
			w.kill(d.proc)
			w.bury()
			w.revive()
		}
	case "power now":
		w.counts.crashes++
		w.powerCut()
		w.bury()
	}
}

// beside is what is tried at each seam of a rotation.
var beside = []string{"full", "read-only", "I/O errors", "down", "lossy", "cli", "sdk", "unlink", "editor", "rm", "login", "fal login", "other", "logout", "fal logout", "erase"}

// some is a time between two, short ones as often as long ones.
func some(r *rand.Rand, least, most time.Duration) time.Duration {
	return time.Duration(float64(least) * math.Pow(float64(most)/float64(least), r.Float64()))
}

// beginFault breaks something for a while.
func (w *world) beginFault(what string, r *rand.Rand) {
	end := w.clock.mono + some(r, 10*time.Second, 3*time.Hour)
	switch what {
	case "down":
		w.net.down, w.net.silent = end, r.IntN(2) == 0
	case "lossy":
		w.net.lossy = end
	case "pages":
		w.net.pages, w.net.kept, w.net.status = end, r.IntN(3) == 0, []int{200, 403, 407, 500, 502, 503, 302}[r.IntN(7)]
	case "refuses":
		w.net.refuse, w.net.status = end, []int{400, 401, 403}[r.IntN(3)]
		w.net.error = []string{"invalid_client", "unauthorized_client", "invalid_request", "server_error", "temporarily_unavailable", "access_denied"}[r.IntN(6)]
	case "mute":
		w.net.mute, w.net.muted = end, w.clock.mono
	case "slow":
		w.net.slow = end
	case "busy":
		w.net.busy, w.net.pause = end, r.IntN(2)*r.IntN(1200)
	case "full":
		w.disk.Full = true
		w.broken.last = max(w.broken.last, end+w.clock.slept)
		w.clock.add(end-w.clock.mono, nil, func() { w.disk.Full = false })
	case "read-only":
		w.disk.ReadOnly = true
		w.broken.last = max(w.broken.last, end+w.clock.slept)
		w.clock.add(end-w.clock.mono, nil, func() { w.disk.ReadOnly = false })
	case "slow disk":
		w.broken.slow = end
	case "I/O errors":
		end = min(end, w.clock.mono+10*time.Minute)
		w.broken.errors = end
		w.broken.last = max(w.broken.last, end+w.clock.slept)
	default:
		return
	}
	w.net.last = max(w.net.last, end)
	w.judge.disturbedUntil = max(w.judge.disturbedUntil, w.net.last+w.clock.slept)
	w.judge.trouble()
}

// beginVisit has a neighbour, or a person, come by.
func (w *world) beginVisit(what string, r *rand.Rand, d *daemon) {
	locks := r.IntN(4) > 0
	switch what {
	case "cli":
		w.outside("the CLI", aNeighbour, func(p *process) { w.cli(p, locks) })
	case "sdk":
		w.outside("the SDK", aNeighbour, w.sdk)
	case "unlink":
		w.outside("portalocker", aNeighbour, func(*process) { w.unlink() })
	case "editor":
		w.outside("an editor", aNeighbour, w.editor)
	case "rm":
		w.remove()
	case "login":
		w.falcredLogin("ann")
	case "fal login":
		w.falLogin("ann", locks)
	case "hard link":
		w.hardLink(some(r, time.Minute, 2*w.plan.lifetime))
	case "half login":
		w.halfLogin("ann")
	case "other":
		w.falcredLogin("bob")
	case "ended soon":
		w.endedSoon([]string{"ann", "bob"}[r.IntN(2)], some(r, time.Minute, w.plan.lifetime/2))
	case "store":
		d.store("ann")
	case "store again":
		d.storeAgain()
	case "logout":
		w.logout(r.IntN(3) == 0)
	case "erase":
		d.erase(r.IntN(3) == 0)
	case "foreign":
		w.foreignLogin(some(r, time.Minute, 3*time.Hour))
	case "old copy":
		w.oldCopy(d, some(r, time.Second, w.plan.lifetime))
	case "fal logout":
		w.falLogout(locks)
	}
}

// calm has all be well for long enough, and then looks whether falcred has come back.
func (w *world) calm() {
	if w.clock.off != 0 {
		w.judge.moved = w.clock.elapsed()
	}
	w.doom, w.net, w.broken.errors, w.broken.slow, w.clock.off = nil, weather{}, 0, 0, 0
	w.broken.last = min(w.broken.last, w.clock.elapsed())
	w.disk.Full, w.disk.ReadOnly = false, false
	w.idp.wrongID, w.idp.bare = false, false
	w.judge.disturb()
	for _, d := range w.daemons {
		d.start()
	}
	if f := w.judge.expected.fam; (f == nil || f.ended != "" || f.excuse != "") && !w.judge.fillable() {
		w.falcredLogin("ann") // somebody has noticed
	}
	end := w.clock.mono + calmTime
	for at := w.clock.mono + 5*time.Minute; at < end && !w.judge.failed(); at += 12 * time.Minute {
		w.nextAct = at
		w.run(at)
		w.daemons[w.rng.IntN(len(w.daemons))].ask(protocol.Query{})
		w.changed = w.clock.mono
	}
	w.nextAct = end
	w.run(end)
	if len(w.judge.inFlight) > 0 { // a refresh that is due by itself
		w.run(end + time.Minute)
	}
	if !w.judge.failed() {
		w.counts.checks++
		w.judge.recovered()
	}
}

// reject is a client whose token got a 401.
func (d *daemon) reject() {
	if d.serves() {
		if a := d.manager.Snapshot().Ready(protocol.Query{ServerURL: server}, d.w.clock.reading()); a != nil {
			d.ask(protocol.Query{Rejected: a.Secret})
		}
	}
}

// saved is a copy of a file, and when it was made.
type saved struct {
	of drive.Saved
	at time.Duration
}

// copy makes one.
func (w *world) copy(path string) saved {
	return saved{w.disk.Save(path), w.clock.elapsed()}
}

// copied are the files of a home that a backup may have.
var copied = []string{tokenPath, home + "/" + journal.LedgerName, home + "/" + journal.ConsumedName}

// save is a backup's.
func (w *world) save(r *rand.Rand) {
	path := copied[r.IntN(len(copied))]
	if _, there := w.disk.ReadRaw(path); there {
		w.saved[path] = w.copy(path)
	}
}

// restore puts one file back, as it was.
func (w *world) restore(r *rand.Rand) {
	path := copied[r.IntN(len(copied))]
	s, ok := w.saved[path]
	if !ok {
		return
	}
	w.say("%s is put back as it was %v ago", class(path), w.clock.elapsed()-s.at)
	w.disk.Put(s.of)
	w.judge.restored(path, s.at)
}
