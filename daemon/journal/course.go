package journal

import (
	"time"

	"github.com/falcred/falcred/daemon/tokenfile"
)

// Course is when the login of a home began, and how the one before it ended: what falcred.json
// keeps of that, for status and for people. Nothing is decided by it. An earlier version drops
// it, and no login is lost with it. It is a value, like the [Ledger] that it stands in; its zero
// value knows nothing.
type Course struct {
	Token string    `json:",omitempty"` // fingerprint of the newest refresh token of a login…
	Since time.Time `json:",omitzero"`  // …which began then, or was first seen here

	Over  string    `json:",omitempty"` // fingerprint of the last refresh token of the login that ended last…
	Ended time.Time `json:",omitzero"`  // …when that was…
	Cause string    `json:",omitempty"` // …why…
	Age   int64     `json:",omitempty"` // …and how old it was, in s; 0 where that is not known
	// Lasts is how old a login of this home was, in s, when the issuer ended it by itself: the
	// next may end at that age as well. It is 0 where that has not happened, or the next one has
	// outlived it.
	Lasts int64 `json:",omitempty"`
}

const (
	// shortestTerm: a login that ends before is ended by something else than its age.
	shortestTerm = day
	// longestTerm is no age that an issuer has set, nor one that falcred has seen.
	longestTerm = 10 * 366 * day
	// longestNotice is for how long before its presumed end a login is warned of.
	longestNotice = 3 * day
)

// Of reports whether the course is that of the login of refresh.
func (c Course) Of(refresh string) bool {
	return refresh != "" && c.Token == tokenfile.Fingerprint(refresh)
}

// IsOver reports whether refresh is of the login that ended last.
func (c Course) IsOver(refresh string) bool {
	return refresh != "" && c.Over == tokenfile.Fingerprint(refresh)
}

// SinceOf is since when the login of refresh is known to exist, zero where that is not known.
func (c Course) SinceOf(refresh string) time.Time {
	if !c.Of(refresh) {
		return time.Time{}
	}
	return c.Since
}

// Begin is the course of a login that began then. How the one before ended stays.
func (c Course) Begin(refresh string, since time.Time) Course {
	c.Token, c.Since = tokenfile.Fingerprint(refresh), since.UTC().Truncate(time.Second)
	return c
}

// Step goes on to the next refresh token of the same login.
func (c Course) Step(from, to string) Course {
	if c.Of(from) {
		c.Token = tokenfile.Fingerprint(to)
	}
	return c
}

// End is the course after the end of the login of refresh. byIssuer says that nobody here ended
// it: then the next one may last as long.
func (c Course) End(refresh, cause string, byIssuer bool, now time.Time) Course {
	since := c.SinceOf(refresh)
	c.Ended, c.Cause, c.Age = now.UTC().Truncate(time.Second), cause, 0
	if age := now.Sub(since); !since.IsZero() && age > 0 {
		c.Age = int64(age / time.Second)
		if byIssuer && age >= shortestTerm {
			c.Lasts = c.Age
		}
	}
	c.Over, c.Token, c.Since = tokenfile.Fingerprint(refresh), "", time.Time{}
	return c
}

// Lasted is how old the login was that ended last, 0 where that is not known.
func (c Course) Lasted() time.Duration { return time.Duration(c.Age) * time.Second }

// Term is when the login of refresh may end by its age, as one before it did, and from when on
// people should know: a tenth of that age before, three days at most. ok is false where nothing
// says so.
func (c Course) Term(refresh string) (notice, end time.Time, ok bool) {
	since, lasts := c.SinceOf(refresh), time.Duration(c.Lasts)*time.Second
	if since.IsZero() || lasts == 0 {
		return time.Time{}, time.Time{}, false
	}
	end = since.Add(lasts)
	return end.Add(-min(lasts/10, longestNotice)), end, true
}

// Outlived is the course once the login of refresh is older than the one that the issuer ended:
// that was not by its age.
func (c Course) Outlived(refresh string, now time.Time) (Course, bool) {
	if notice, end, ok := c.Term(refresh); ok && now.After(end.Add(end.Sub(notice))) {
		c.Lasts = 0
		return c, true
	}
	return c, false
}

// clamped takes no moment for later than now, and no age for longer than any.
func (c Course) clamped(now time.Time) Course {
	now = now.UTC().Truncate(time.Second)
	for _, at := range []*time.Time{&c.Since, &c.Ended} {
		if at.After(now) {
			*at = now
		}
	}
	for _, age := range []*int64{&c.Age, &c.Lasts} {
		if *age < 0 || *age > int64(longestTerm/time.Second) {
			*age = 0
		}
	}
	return c
}
