package login

import (
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// Reading is the token file at one moment, and what the home knows about it.
type Reading struct {
	tokenfile.Content
	Rev   int                 // State.fileRev when it began
	Held  tokenfile.TokenPair // what was held when it was made: it says nothing about newer tokens
	Known journal.Ledger      // falcred.json at that moment, where the file holds another token than the one held, or the one whose file had vanished
	Used  bool                // the refresh token is in falcred.consumed
}

// Meaning is what the token file's content means for the login.
type Meaning int

const (
	Unchanged   Meaning = iota // it is what is held
	Behind                     // our own newer tokens are on their way into it
	Torn                       // a write of what is held was cut in its second line
	Consumed                   // its refresh token was used up, or it is an old copy: never adopted, never sent
	OtherIssuer                // it is not for this daemon
	NewTokens                  // somebody has logged in, or refreshed
	Empty                      // a writer is at work, or has died: never a logout
	Gone                       // a logout, if the issuer can be reached
	Unusable                   // no token file, or not ours to read
)

// classify says what a reading means to a login. It is the one place that does.
func classify(r Reading, s State) Meaning {
	switch r.State {
	case tokenfile.Absent:
		return Gone
	case tokenfile.Empty:
		return Empty
	case tokenfile.Unusable:
		return Unusable
	}
	t := tokenfile.Dated(r.Pair, time.Time{}) // whose and since when, by its own word, whatever the time
	switch {
	case r.Pair == s.Tokens.TokenPair && !r.Used:
		return Unchanged
	case s.Replaces != "" && r.Pair.Refresh == s.Replaces:
		return Behind
	case torn(r.Pair, s.Tokens.TokenPair):
		return Torn
	case consumed(r, t, s):
		return Consumed
	case t.Issuer != "" && !tokenfile.SameIssuer(t.Issuer, s.Ledger.Issuer):
		return OtherIssuer
	}
	return NewTokens
}

// torn knows a write that was cut in its second line: its beginning can still be read
// as a token.
func torn(p, held tokenfile.TokenPair) bool {
	return p.Refresh == held.Refresh && p.Access != "" && len(p.Access) < len(held.Access) && strings.HasPrefix(held.Access, p.Access)
}

// consumed says that the file's tokens must be neither adopted nor sent (F5): the refresh
// token was used up, or they are an old copy of the valid login that is held. What falcred
// has noted as the newest, here or elsewhere, is no old copy.
func consumed(r Reading, t tokenfile.Token, s State) bool {
	switch {
	case s.Ledger.Consumed(t.Refresh), r.Known.Consumed(t.Refresh), r.Used:
		return true
	case t.Refresh == s.Tokens.Refresh:
		return false
	}
	return s.living() && t.CopiedBefore(s.Tokens) && !r.Known.IsTip(t.Refresh)
}
