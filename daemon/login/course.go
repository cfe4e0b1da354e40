package login

import (
	"time"

	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/words"
)

// neighboursMargin: with more time left on its access token no neighbour refreshes a login. The
// fal CLI is the earliest.
const neighboursMargin = 30 * time.Minute

// began notes since when the login exists that has just been adopted, by its access token or by
// now. Where a neighbour has refreshed the one held before, it is the same login. It is written
// down with what comes next: should we die first, the token says it again.
func (m *machine) began(before tokenfile.Token) {
	c, adopted := m.Ledger.Course, m.Tokens
	switch {
	case c.Of(adopted.Refresh), c.IsOver(adopted.Refresh): // falcred login, or this daemon before a restart, has noted it
	case c.Of(before.Refresh) && adopted.SameAccount(before) &&
		(m.Competing == adopted.Refresh || before.Expires.Sub(m.now) < neighboursMargin):
		c = c.Step(before.Refresh, adopted.Refresh)
	case !adopted.Issued.IsZero() && adopted.Issued.Before(m.now):
		c = c.Begin(adopted.Refresh, adopted.Issued)
	default:
		c = c.Begin(adopted.Refresh, m.now)
	}
	m.Ledger.Course = c
}

// ended notes how the login held has ended, once. What saves the ledger next writes it down: a
// file that was made at once could stop an `rm -r` of the home.
func (m *machine) ended(cause string, byIssuer bool) bool {
	refresh := m.Tokens.Refresh
	if refresh == "" || m.Ledger.Course.IsOver(refresh) {
		return false
	}
	m.Ledger.Course = m.Ledger.Course.End(refresh, cause, byIssuer, m.now)
	m.ledgerRev++
	return true
}

// EndsSoonHint is what to do where a login's end is near.
const EndsSoonHint = "log in again before: falcred login"

// endsSoon is what the warning about a login's presumed end begins with.
const endsSoon = "the login may end soon: "

// term warns where the issuer has ended a login at an age that the one held is near to.
func (m *machine) term() {
	refresh := m.Tokens.Refresh
	if c, outlived := m.Ledger.Course.Outlived(refresh, m.now); outlived {
		m.Ledger.Course = c
		m.ledgerRev++
	}
	w := Warned{Instead: endsSoon}
	if notice, end, ok := m.Ledger.Course.Term(refresh); ok && !m.over() && !m.now.Before(notice) {
		w.Text = endsSoon + "the issuer ended one before after " + words.Span(end.Sub(m.Ledger.Course.SinceOf(refresh))) +
			", and this one reaches that age at " + words.Moment(end) + "\n" + EndsSoonHint
	}
	m.warned(w)
}
