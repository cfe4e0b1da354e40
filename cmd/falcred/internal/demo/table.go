package demo

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

// result is one column of the table.
type result struct {
	clients   int
	requests  int
	errors    int
	latencies []time.Duration

	refreshes int
	reuses    int
	alive     bool
}

func (r *result) issuer(stats idp.Stats, alive bool) {
	r.refreshes, r.reuses, r.alive = stats.Refreshes, stats.ReuseDetections, alive
}

// percentile is the nearest rank.
func (r *result) percentile(p int) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(r.latencies))
	return round(sorted[(len(sorted)*p+99)/100-1])
}

// round keeps about three digits.
func round(d time.Duration) time.Duration {
	for unit := time.Nanosecond; ; unit *= 10 {
		if d < 1000*unit {
			return d.Round(unit)
		}
	}
}

func (d *demo) table(took time.Duration) {
	d.falcred.issuer(d.issuer.Stats(), d.loginAlive())
	a, b := &d.falcred, &d.alone
	fmt.Fprintln(d.Out)
	d.row("", "with falcred", "without")
	for _, row := range []struct {
		name string
		of   func(*result) string
	}{
		{"clients", func(r *result) string { return strconv.Itoa(r.clients) }},
		{"requests", func(r *result) string { return strconv.Itoa(r.requests) }},
		{"errors", func(r *result) string { return strconv.Itoa(r.errors) }},
		{"refreshes at the issuer", func(r *result) string { return strconv.Itoa(r.refreshes) }},
		{"reuse detections", func(r *result) string { return strconv.Itoa(r.reuses) }},
		{"time to an answer, p50", func(r *result) string { return r.percentile(50).String() }},
		{"time to an answer, p99", func(r *result) string { return r.percentile(99).String() }},
		{"login", func(r *result) string { return alive(r.alive) }},
	} {
		d.row(row.name, row.of(a), row.of(b))
	}
	fmt.Fprintf(d.Out, "\n   measured in %s; everything it made is removed\n", round(took))
}

func (d *demo) row(name, with, without string) {
	fmt.Fprintf(d.Out, "   %-26s %14s %14s\n", name, with, without)
}

// judge is the demo's exit: falcred's own column has to be clean. What becomes
// of the other one is shown, and proves nothing about falcred.
func (d *demo) judge() error {
	switch r := &d.falcred; {
	case r.errors > 0:
		return fmt.Errorf("the demo failed: %d requests failed", r.errors)
	case r.reuses > 0:
		return fmt.Errorf("the demo failed: %d reuse detections", r.reuses)
	case !r.alive:
		return fmt.Errorf("the demo failed: the login is dead")
	case len(d.lapses) > 0:
		return fmt.Errorf("the demo failed: %s", d.lapses[0])
	}
	return nil
}
