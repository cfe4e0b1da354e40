//go:build linux

package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plan is one life: what kind of world it is, and what happens in it. It follows from the
// seed, the years and the pace (make), or is written out, which is how a life is kept that has
// shown something: that stays the same whatever becomes of make.
type plan struct {
	seed  uint64
	years float64       // to live
	even  bool          // years are those of a life whose access tokens are usual ones; with others it has as many rotations
	pace  float64       // acts for each rotation that is due by itself
	whole bool          // the acts are those of make
	lasts time.Duration // for which the acts are made

	lifetime time.Duration
	overlap  time.Duration
	daemons  int
	opaque   bool
	long     bool // its access tokens are longer than a block of the disk
	seams    int  // among so many of a rotation's those are picked at which something happens; 0: someSeam picks
	acts     []act
}

// act is something that happens. Its details follow from its own seed, so that one act can be
// left out and the others stay as they are.
type act struct {
	n    int // its number
	at   time.Duration
	what string
	seed uint64
}

const (
	year  = 8766 * time.Hour
	usual = 16 * time.Hour // for which access tokens live, about
)

// kinds are what can happen, and how often one is among the others. Each life has some of
// them, so that what needs quiet to show itself has it (swarm testing).
var kinds = []struct {
	what   string
	weight float64
}{
	{"kill", 12}, {"power", 6}, {"during", 8}, {"crowd", 2}, {"kill now", 2}, {"power now", 1}, {"end", 1},
	{"sleep", 4}, {"clock", 1},
	{"down", 3}, {"lossy", 3}, {"pages", 2}, {"slow", 1}, {"busy", 1},
	{"full", 1.5}, {"read-only", 0.7}, {"I/O errors", 1},
	{"save", 1}, {"restore", 1},
	{"key", 0.5}, {"wrong ID token", 0.1}, {"issuer ends", 0.5},
	{"cli", 3}, {"sdk", 2}, {"unlink", 1}, {"editor", 0.7}, {"rm", 0.3},
	{"login", 0.7}, {"fal login", 0.7}, {"other", 0.4}, {"ended soon", 0.5}, {"store", 0.4}, {"logout", 0.3}, {"erase", 0.3}, {"fal logout", 0.2},
	{"get", 4}, {"reject", 2}, {"watch", 1},
	{"refuses", 0.7}, {"bare answer", 0.2}, {"foreign", 0.2}, {"old copy", 0.2}, {"mute", 1}, {"half login", 0.3}, {"store again", 0.3}, {"slow disk", 0.7}, {"hard link", 0.2},
}

// always are in each life.
var always = []string{"kill", "get", "login"}

// make fills in what follows from the seed.
func (p *plan) make() {
	p.whole = true
	r := rand.New(rand.NewPCG(p.seed, 1)) // #nosec G404 -- a simulation
	p.lifetime = time.Hour + time.Duration(max(r.Int64N(int64(23*time.Hour)), r.Int64N(int64(23*time.Hour))))
	if r.IntN(6) == 0 { // so that half of its life is the CLI's margin
		p.lifetime = time.Hour + time.Duration(r.Int64N(int64(2*time.Minute)))
	}
	p.overlap = []time.Duration{0, 10 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}[r.IntN(5)]
	p.daemons = []int{1, 1, 1, 1, 1, 1, 2, 2, 3, 4}[r.IntN(10)]
	p.opaque = r.IntN(12) == 0
	weights, total := make([]float64, len(kinds)), 0.0
	for i, k := range kinds {
		if slices.Contains(always, k.what) || r.IntN(2) == 0 {
			weights[i] = k.weight * math.Exp(2*r.Float64()-1)
			total += weights[i]
		}
	}
	pick := func() string {
		left := r.Float64() * total
		for i, w := range weights {
			if left -= w; left < 0 {
				return kinds[i].what
			}
		}
		return "get"
	}
	gap := float64(p.lifetime) / 2 / p.pace
	end := time.Duration(p.years * float64(year))
	if p.even {
		end = time.Duration(float64(end) * float64(p.lifetime) / float64(usual))
	}
	p.lasts = end
	at, untilCalm := time.Minute, 5+r.IntN(20)
	for at < end {
		a := act{n: len(p.acts), at: at, what: pick(), seed: r.Uint64()}
		if untilCalm--; untilCalm < 0 {
			a.what, untilCalm = "calm", 5+r.IntN(20)
			at += calmTime
		}
		p.acts = append(p.acts, a) // a calm begins at its own time, and is over at the next act's at the soonest
		pause := time.Duration(gap * r.ExpFloat64())
		if r.IntN(4) == 0 { // some come together
			pause = time.Duration(r.Int64N(int64(20 * time.Second)))
		}
		at += pause
	}
	p.acts = append(p.acts, act{n: len(p.acts), at: at, what: "calm", seed: r.Uint64()})
	p.long = r.IntN(3) == 0
}

// with is the same life with those acts only.
func (p *plan) with(keep []int) *plan {
	short := *p
	short.whole = false
	short.acts = slices.DeleteFunc(slices.Clone(p.acts), func(a act) bool { return !slices.Contains(keep, a.n) })
	for n := range short.acts {
		short.acts[n].n = n
	}
	return &short
}

// String is the plan as parsePlan reads it.
func (p *plan) String() string {
	if p.whole {
		text := fmt.Sprintf("seed=%d years=%g pace=%g", p.seed, p.years, p.pace)
		if p.even {
			text += " even=true"
		}
		return text
	}
	text := fmt.Sprintf("seed=%d lifetime=%v overlap=%v daemons=%d opaque=%v", p.seed, p.lifetime, p.overlap, p.daemons, p.opaque)
	if p.long {
		text += " long=true"
	}
	if p.seams > 0 {
		text += fmt.Sprintf(" seams=%d", p.seams)
	}
	for _, a := range p.acts {
		text += fmt.Sprintf(" %s@%v/%d", strings.ReplaceAll(a.what, " ", "_"), a.at, a.seed)
	}
	return text
}

// parsePlan reads a plan.
func parsePlan(text string) (*plan, error) {
	p := &plan{whole: true, pace: 1, years: 1, daemons: 1, lifetime: time.Hour}
	for word := range strings.FieldsSeq(text) {
		if err := p.parse(word); err != nil {
			return nil, fmt.Errorf("%q is no part of a plan: %w", word, err)
		}
	}
	if p.whole {
		p.make()
	}
	return p, nil
}

func (p *plan) parse(word string) (err error) {
	if what, rest, isAct := strings.Cut(word, "@"); isAct {
		a := act{n: len(p.acts), what: strings.ReplaceAll(what, "_", " ")}
		at, seed, _ := strings.Cut(rest, "/")
		if a.at, err = time.ParseDuration(at); err == nil {
			a.seed, err = strconv.ParseUint(seed, 10, 64)
		}
		p.acts = append(p.acts, a)
		return err
	}
	name, value, _ := strings.Cut(word, "=")
	switch name {
	case "seed":
		p.seed, err = strconv.ParseUint(value, 10, 64)
	case "years":
		p.years, err = strconv.ParseFloat(value, 64)
	case "even":
		p.even, err = strconv.ParseBool(value)
	case "pace":
		p.pace, err = strconv.ParseFloat(value, 64)
	case "lifetime":
		p.whole = false
		p.lifetime, err = time.ParseDuration(value)
	case "overlap":
		p.overlap, err = time.ParseDuration(value)
	case "daemons":
		p.daemons, err = strconv.Atoi(value)
	case "seams":
		p.seams, err = strconv.Atoi(value)
	case "long":
		p.long, err = strconv.ParseBool(value)
	case "opaque":
		p.opaque, err = strconv.ParseBool(value)
	default:
		err = errors.New("unknown")
	}
	return err
}
