package login

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/strict"
)

// Problem is why there is no fresh token, or no attribution: what happened, and what
// to do about it, "" where that is not known.
type Problem struct {
	Code protocol.Code
	Text string
	Hint string

	file    bool // it is the token file's, and over when that can be used again
	unheard bool // the issuer has not answered the last refresh that was sent
}

// Wire is the problem as clients are sent it: the hint is the second line of the
// message, where the helper finds it.
func (p *Problem) Wire() *protocol.Error {
	if p.Hint == "" {
		return protocol.Errorf(p.Code, "%s", p.Text)
	}
	return protocol.Errorf(p.Code, "%s\n%s", p.Text, p.Hint)
}

// What to do about the usual problems.
const (
	// LoginHint is for those whose login has ended, or who have none. The
	// helper, which knows nothing of this package, has words of its own where an error
	// comes without a hint (hintFor of helper/dockercred).
	LoginHint = "log in: falcred login, or fal auth login"
	retryHint = "nothing to do: falcred tries again"
)

// failure is a transaction that did not come to its end.
type failure struct {
	Problem
	after    time.Duration // the earliest next try; 0: R7's pause decides
	onChange bool          // it is the file's doing: the next try is due when that changes
	heard    bool          // the issuer has answered
	gone     bool          // the login was deleted
	ended    bool          // its refresh token is rejected: nothing is tried again (R8)
	about    *string       // the refresh token of the login that failed; nil: whichever is held
}

// Error leaves the hint out: asWire has both.
func (f *failure) Error() string { return f.Text }

func unavailable(text, hint string) *failure {
	return &failure{Problem: Problem{Code: protocol.CodeUnavailable, Text: text, Hint: hint}}
}

// hourly is R8's pace after an error that a repetition does not cure.
const hourly = time.Hour

// loginEnded is R8's end of a login.
func loginEnded(text string) *failure {
	return &failure{ended: true, after: hourly, Problem: Problem{Code: protocol.CodeLoginRequired, Text: text, Hint: LoginHint}}
}

// deleted is a logout that the transaction has found out about.
func deleted(text string) *failure { return &failure{gone: true, Problem: Problem{Text: text}} }

// errChanged asks for another reading at once: somebody else writes the file. A rotation
// comes again by itself; its hint is for whoever runs a command.
var errChanged = &failure{after: time.Millisecond, onChange: true, Problem: Problem{
	Code: protocol.CodeUnavailable, Text: tokenfile.ChangingText, Hint: "try again in a moment",
}}

// asWire keeps the code and the hint of a failure.
func asWire(err error) error {
	if f := (&failure{}); errors.As(err, &f) {
		return f.Wire()
	}
	return err
}

// errUseUnknown is that nobody can tell whether a token was used up.
func errUseUnknown(path string, err error) error {
	text, _ := fsx.Explain(err)
	return fmt.Errorf("%s holds another refresh token, and nobody can tell whether that was used up: %s", path, text)
}

func short(s string) string { return s[:min(len(s), 100)] }

// entryFailure is R4's stop: the disk is full or read-only, and nothing is consumed.
func entryFailure(err error) *failure {
	if errors.Is(err, journal.ErrBusy) {
		return unavailable(err.Error(), retryHint)
	}
	text, hint := fsx.Explain(err)
	f := unavailable("not refreshed, since the answer could not be kept: "+text, cmp.Or(hint, fsx.DiskHint))
	f.file = strict.As(err) != nil // as for the lock
	return f
}

// What may be wrong with a team.

func notFound(team, why, hint string) *Problem {
	return &Problem{Code: protocol.CodeTeamUnresolved, Text: fmt.Sprintf("the id of team %q could not be found: %s", short(team), why), Hint: hint}
}

func notAMember(team string) *Problem {
	return &Problem{Code: protocol.CodeTeamUnresolved, Text: fmt.Sprintf("the login is not a member of team %q", short(team)), Hint: "see which there are: falcred team list"}
}

func notKnownYet(team string) *protocol.Error {
	return protocol.Errorf(protocol.CodeTeamUnresolved, "the id of team %q is not known yet\ntry again", short(team))
}
