//go:build linux

// Command sim lives through years of logins in minutes, on a machine that crashes, with an
// issuer that forgets to answer, beside programs that break the rules: the real login,
// journal, tokenfile and issuer code, in a world whose time, disk, network and scheduler are
// this program's. All that happens follows from a seed; a judge who knows what the issuer
// knows looks at every step.
//
//	go run ./daemon/sim -seed 1 -years 10        ten years, in lives of one
//	go run ./daemon/sim -plan 'seed=7 years=1'   one life, with its story if it fails
package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

func main() {
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "the first life's; each has the next one") // #nosec G115 -- a seed
	years := flag.Float64("years", 10, "to live, in all")
	most := flag.Duration("time", 1<<62, "to stop after, though the years are not over")
	life := flag.Float64("life", 1, "years of each life")
	even := flag.Bool("even", false, "as many rotations in each life: it is shorter where access tokens live less than 16 h, and longer where more")
	pace := flag.Float64("pace", 0.3, "acts for each rotation that is due by itself")
	text := flag.String("plan", "", "one life, as a failure has named it")
	loud := flag.Bool("v", false, "tell the story of the plan, though nothing is wrong in it")
	flag.Parse()
	debug.SetGCPercent(-1) // a life holds little, and leaves much behind
	debug.SetMemoryLimit(96 << 20)
	runtime.MemProfileRate = 0
	if *text != "" {
		os.Exit(one(*text, *loud))
	}
	begun, all, done := time.Now(), newCounts(), 0.0
	next := begun.Add(time.Minute)
	for n := uint64(0); done < *years && time.Since(begun) < *most; n++ {
		p := &plan{seed: *seed + n, years: min(*life, *years), even: *even, pace: *pace}
		p.make()
		w, v := live(p, false)
		all.add(w.counts)
		done += float64(p.lasts) / float64(year)
		if v != nil {
			report(p, v)
			os.Exit(1)
		}
		if now := time.Now(); now.After(next) {
			next = now.Add(time.Minute)
			fmt.Printf("%.0f years, %d rotations, %d crashes in %v\n", done, all.rotations, all.crashes, now.Sub(begun).Round(time.Second))
		}
	}
	all.print(done, time.Since(begun))
}

// one lives one life.
func one(text string, loud bool) (code int) {
	p, err := parsePlan(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if loud {
		fmt.Print(tell(p))
		return 0
	}
	if _, v := live(p, false); v != nil {
		fmt.Print(tell(p))
		return 1
	}
	return 0
}

// report says what was found, makes the life shorter, and tells its story.
func report(p *plan, v *verdict) {
	fmt.Printf("%s: %s\n%s\nmaking it shorter…\n", v.rule, v.text, p)
	short, _ := shrink(p, v, 400)
	fmt.Printf("%s\n%s", short, tell(short))
}

// print is the table of a run.
func (c *counts) print(years float64, took time.Duration) {
	minutes := took.Minutes()
	fmt.Printf("%.1f years, %d rotations, %d crashes, %d answers, %d refusals, %d checks in %v\n", years, c.rotations, c.crashes, c.answers, c.refusals, c.checks, took.Round(time.Millisecond))
	fmt.Printf("a minute: %.0f years, %.0f rotations, %.0f crashes\n", years/minutes, float64(c.rotations)/minutes, float64(c.crashes)/minutes)
	for _, m := range []map[string]int{c.acts, c.seams} {
		fmt.Println()
		for _, name := range slices.Sorted(maps.Keys(m)) {
			fmt.Printf("%8d  %s\n", m[name], name)
		}
	}
}
