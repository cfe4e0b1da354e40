//go:build linux

package main

import (
	"bufio"
	"os"
	"strings"
	"testing"
)

// Lives that once showed something that was wrong, each with the words of what it was, and
// some that have all that can happen close together: none loses a login.
func TestLives(t *testing.T) {
	file, err := os.Open("testdata/lives")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	all := newCounts()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		text, what, _ := strings.Cut(lines.Text(), "#")
		if strings.TrimSpace(text) == "" {
			continue
		}
		p, err := parsePlan(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		w, v := live(p, false)
		all.add(w.counts)
		if v != nil {
			t.Errorf("%s (%s): %s: %s", p, strings.TrimSpace(what), v.rule, v.text)
		}
	}
	if all.rotations < 250 || all.crashes < 50 || len(all.seams) < 30 || all.checks < 20 {
		t.Errorf("hardly anything happened: %d rotations, %d crashes, %d seams of a rotation, %d checks", all.rotations, all.crashes, len(all.seams), all.checks)
	}
}

// One plan is one story, to the byte.
func TestOneStory(t *testing.T) {
	for seed := range uint64(5) {
		var first string
		for range 10 {
			p := &plan{seed: seed, years: 0.01, pace: 2}
			p.make()
			story := tell(p)
			if first == "" {
				first = story
			}
			if story != first {
				a, b := strings.Split(first, "\n"), strings.Split(story, "\n")
				for i := range min(len(a), len(b)) {
					if a[i] != b[i] {
						t.Fatalf("seed %d, line %d: %q and %q", seed, i, a[i], b[i])
					}
				}
				t.Fatalf("seed %d: %d and %d lines", seed, len(a), len(b))
			}
		}
		if len(first) < 2000 {
			t.Errorf("seed %d has no story: %q", seed, first)
		}
	}
}

// A plan that breaks something is made shorter as long as it breaks the same.
func TestShrink(t *testing.T) {
	p := &plan{seed: 1, years: 0.05, pace: 2}
	p.make()
	if len(p.acts) < 30 {
		t.Fatalf("only %d acts", len(p.acts))
	}
	wanted := p.acts[20].n
	runs := 0
	kept := shorter(p.acts, func(keep []int) bool {
		runs++
		for _, n := range keep {
			if n == wanted {
				return true
			}
		}
		return false
	})
	if len(kept) != 1 || kept[0] != wanted || runs > 100 {
		t.Errorf("%v after %d runs", kept, runs)
	}
}

// A plan can be written down.
func TestPlan(t *testing.T) {
	for _, text := range []string{"seed=7 years=0.5 pace=1", "seed=7 lifetime=1h30m0s overlap=10s daemons=2 opaque=true kill_now@1h0m0.5s/12 calm@2h0m0s/0"} {
		p, err := parsePlan(text)
		if err != nil || p.String() != text {
			t.Errorf("%q, %v", p, err)
		}
	}
	whole := &plan{seed: 7, years: 0.01, pace: 2}
	whole.make()
	short := whole.with([]int{1, 2, 3})
	if again, err := parsePlan(short.String()); err != nil || len(short.acts) != 3 || tell(again) != tell(short) {
		t.Errorf("%v, written down, is another life: %v", short, err)
	}
	if _, err := parsePlan("seed=7 month=1"); err == nil {
		t.Error("an odd word is taken")
	}
}
