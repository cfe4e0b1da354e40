//go:build linux

package main

// shrink leaves out acts as long as a life breaks the same rule. It lives at most that many
// lives.
func shrink(p *plan, v *verdict, most int) (*plan, *verdict) {
	best := v
	kept := shorter(p.acts, func(keep []int) bool {
		if most--; most < 0 {
			return false
		}
		_, got := live(p.with(keep), false)
		if got == nil || got.rule != v.rule {
			return false
		}
		best = got
		return true
	})
	return p.with(kept), best
}

// shorter leaves out acts as long as what is left still breaks something: halves first, then
// less (Zeller's delta debugging). It gives the numbers of those that are left.
func shorter(acts []act, breaks func(keep []int) bool) []int {
	kept := make([]int, len(acts))
	for i, a := range acts {
		kept[i] = a.n
	}
	for size := len(kept) / 2; size > 0; {
		before := len(kept)
		for at := 0; at < len(kept); {
			keep := append(append([]int{}, kept[:at]...), kept[min(at+size, len(kept)):]...)
			if len(keep) > 0 && breaks(keep) {
				kept = keep
			} else {
				at += size
			}
		}
		if size > 1 || len(kept) == before {
			size /= 2
		}
	}
	return kept
}
