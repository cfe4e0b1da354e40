//go:build linux

package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// side is what falcred is compared with.
type side struct {
	name    string
	measure func() float64 // nil where it cannot be run
	most    float64        // the target of falcred's figure, divided by its own; 0: none
}

// compare measures falcred and the others in each round. It reports the median of
// falcred's figure in that unit, and its ratio to that of each other.
func compare(b *testing.B, unit string, falcred func() float64, others ...side) (medians []float64) {
	b.Helper()
	all := append([]side{{unit, falcred, 0}}, others...)
	all = slices.DeleteFunc(all, func(s side) bool { return s.measure == nil })
	figures := make([][]float64, len(all))
	for b.Loop() {
		for _, i := range rand.Perm(len(all)) {
			figures[i] = append(figures[i], all[i].measure())
		}
	}
	for i, s := range all {
		medians = append(medians, median(figures[i]))
		if i > 0 {
			atMost(b, "vs-"+s.name, medians[0]/medians[i], s.most)
		}
	}
	b.ReportMetric(medians[0], unit)
	return medians
}

// atMost reports a figure, and says so if it misses its target; 0 is none.
func atMost(b *testing.B, unit string, figure, target float64) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // of a round, which says nothing
	b.ReportMetric(figure, unit)
	if target > 0 && figure > target {
		b.Logf("missed: %.2f %s, and the target is at most %.2f", figure, unit, target)
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

func medianOf(times int, measure func() float64) float64 {
	values := make([]float64, times)
	for i := range values {
		values[i] = measure()
	}
	return median(values)
}
