package doctor

import (
	"fmt"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/words"
)

// examineCourse says how old the login is, and how the one before it ended. ok is false where
// neither is known.
func examineCourse(cfg Config) (f Finding, ok bool) {
	l, err := journal.Load(cfg.Home)
	file := tokenfile.In(cfg.Home, nil)
	c, refresh, now := l.Course, file.Read().Pair.Refresh, clock.Now()
	since := c.SinceOf(refresh)
	last := ""
	if !c.Ended.IsZero() {
		last = "the one before ended on " + c.Ended.Format(time.DateOnly)
		if c.Age > 0 {
			last += ", when it was " + words.Span(c.Lasted()) + " old"
		}
		last += ": " + journal.Bounded(c.Cause)
	}
	notice, end, term := c.Term(refresh)
	switch {
	case err != nil, since.IsZero() && last == "":
		return Finding{}, false
	case since.IsZero():
		return Finding{Check: "login age", Result: OK, Text: last}, true
	case term && !now.Before(notice):
		return Finding{"login age", Warn, fmt.Sprintf("the login is of %s and may end soon: the issuer has ended one that was %s old, and this one is as old on %s",
			since.Format(time.DateOnly), words.Span(end.Sub(since)), end.Format(time.DateOnly)), login.EndsSoonHint}, true
	}
	f = Finding{Check: "login age", Result: OK, Text: "the login exists since " + since.Format(time.DateOnly)}
	if age := now.Sub(since); age >= 24*time.Hour {
		f.Text += ", for " + words.Span(age)
	}
	if last != "" {
		f.Text += "; " + last
	}
	return f, true
}
