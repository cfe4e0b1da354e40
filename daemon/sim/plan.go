//go:build linux

package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plan is one life: what kind of world it is, and what happens in it. It follows from the
// seed, the years and the pace; keep leaves out all acts but those named, by their numbers,
// which is how a life is made shorter that has shown something.
type plan struct {
	seed  uint64
	years float64
	pace  float64 // acts for each rotation that is due by itself
	keep  []int   // nil: all

	lifetime time.Duration
	overlap  time.Duration
	daemons  int
	opaque   bool
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

const year = 8766 * time.Hour

// kinds are what can happen, and how often one is among the others. Each life has some of
// them, so that what needs quiet to show itself has it (swarm testing).
var kinds = []struct {
	what   string
	weight float64
}{
	{"kill", 12}, {"power", 6}, {"kill now", 2}, {"power now", 1}, {"end", 1},
	{"sleep", 4}, {"clock", 1},
	{"down", 3}, {"lossy", 3}, {"pages", 2}, {"slow", 1}, {"busy", 1},
	{"full", 1.5}, {"read-only", 0.7}, {"I/O errors", 1},
	{"save", 1}, {"restore", 0.7},
	{"key", 0.5}, {"wrong ID token", 0.1}, {"issuer ends", 0.3},
	{"cli", 3}, {"sdk", 2}, {"unlink", 1}, {"editor", 0.7}, {"rm", 0.3},
	{"login", 0.7}, {"fal login", 0.7}, {"other", 0.4}, {"store", 0.4}, {"logout", 0.3}, {"erase", 0.3}, {"fal logout", 0.2},
	{"get", 4}, {"reject", 2}, {"watch", 1},
}

// always are in each life.
var always = []string{"kill", "get", "login"}

// make fills in what follows from the seed.
func (p *plan) make() {
	r := rand.New(rand.NewPCG(p.seed, 1)) // #nosec G404 -- a simulation
	p.lifetime = time.Hour + time.Duration(max(r.Int64N(int64(23*time.Hour)), r.Int64N(int64(23*time.Hour))))
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
	if p.keep != nil {
		p.acts = slices.DeleteFunc(p.acts, func(a act) bool { return !slices.Contains(p.keep, a.n) })
	}
}

// String is the plan as parsePlan reads it.
func (p *plan) String() string {
	text := fmt.Sprintf("seed=%d years=%g pace=%g", p.seed, p.years, p.pace)
	if p.keep != nil {
		text += " keep="
		for i, n := range p.keep {
			if i > 0 {
				text += ","
			}
			text += strconv.Itoa(n)
		}
	}
	return text
}

// parsePlan reads a plan.
func parsePlan(text string) (*plan, error) {
	p := &plan{pace: 1, years: 1}
	for word := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch name {
		case "seed":
			p.seed, err = strconv.ParseUint(value, 10, 64)
		case "years":
			p.years, err = strconv.ParseFloat(value, 64)
		case "pace":
			p.pace, err = strconv.ParseFloat(value, 64)
		case "keep":
			p.keep = []int{}
			for n := range strings.SplitSeq(value, ",") {
				var number int
				if number, err = strconv.Atoi(n); err != nil {
					break
				}
				p.keep = append(p.keep, number)
			}
		default:
			err = fmt.Errorf("%q is no part of a plan", word)
		}
		if err != nil {
			return nil, err
		}
	}
	p.make()
	return p, nil
}
