//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"
)

// story is who did what, when: for people who want to know how it came to something.
type story struct {
	on    bool
	lines []string
}

func (s *story) add(at time.Time, text string) {
	s.lines = append(s.lines, at.Format("2006-01-02 15:04:05.000")+"  "+text)
}

// tell runs a plan again, loudly, and returns what happened.
func tell(p *plan) string {
	w, v := live(p, true)
	text := fmt.Sprintf("access tokens of %v, an overlap of %v, %d daemons\n", p.lifetime.Round(time.Minute), p.overlap, p.daemons) + strings.Join(w.story.lines, "\n") + "\n"
	if v != nil {
		text += fmt.Sprintf("%s: %s\n", v.rule, v.text)
	}
	return text
}
