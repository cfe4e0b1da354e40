//go:build linux

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
)

// figure is one line of the page: the median of what was measured, and of the
// peer or limit that ran in turns with it.
type figure struct {
	What   string
	Value  float64
	Unit   string
	Peer   string  `json:",omitempty"`
	Than   float64 `json:",omitempty"` // the peer's value
	Ratio  float64 `json:",omitempty"`
	Target string  `json:",omitempty"` // of the ratio, or of the value where there is no peer
	Met    *bool   `json:",omitempty"`
}

// side is one of those that are compared. Measure is called once in each round.
type side struct {
	name    string
	measure func() (float64, error)
}

// inTurns measures all sides in each round, in an order that is drawn anew.
func inTurns(rounds int, sides []side) (map[string]float64, error) {
	all := map[string][]float64{}
	for range rounds {
		for _, i := range rand.Perm(len(sides)) { // #nosec G404 -- an order, no secret
			value, err := sides[i].measure()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", sides[i].name, err)
			}
			all[sides[i].name] = append(all[sides[i].name], value)
		}
	}
	return medians(all), nil
}

func medians(all map[string][]float64) map[string]float64 {
	of := map[string]float64{}
	for name, values := range all {
		slices.Sort(values)
		of[name] = values[len(values)/2]
	}
	return of
}

// atMost and atLeast are the two kinds of targets.
func atMost(f figure, target float64) figure  { return f.aimAt("≤", target) }
func atLeast(f figure, target float64) figure { return f.aimAt("≥", target) }

func (f figure) aimAt(sign string, target float64) figure {
	got, times := f.Value, " "+f.Unit
	if f.Peer != "" {
		f.Ratio = f.Value / f.Than
		got, times = f.Ratio, " ×"
	}
	met := got <= target
	if sign == "≥" {
		met = got >= target
	}
	f.Target, f.Met = sign+" "+number(target)+times, &met
	return f
}

func printTable(w io.Writer, figures []figure) {
	fmt.Fprintln(w, "| what | falcred | beside it | ratio | target | met |\n|---|---|---|---|---|---|")
	for _, f := range figures {
		beside, ratio, met := "", "", ""
		if f.Peer != "" {
			beside = f.Peer + ": " + number(f.Than) + " " + f.Unit
			ratio = number(f.Value / f.Than)
		}
		if f.Met != nil {
			met = map[bool]string{true: "yes", false: "**no**"}[*f.Met]
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", f.What, strings.TrimSpace(number(f.Value)+" "+f.Unit), beside, ratio, f.Target, met)
	}
}

// number has three digits that count.
func number(x float64) string {
	switch {
	case x >= 100 || x == float64(int(x)):
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}
