package login

import (
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// Event is something that happened to the login. It carries all that next needs to know.
type Event interface{ event() }

type (
	// Read is a reading of the token file.
	Read struct{ Reading }
	// Pinged says whether the issuer was heard, which decides what the deletion of the token
	// file means. Err is why it was not.
	Pinged struct {
		Err   error
		Pause time.Duration
	}
	// LedgerRead is falcred.json as a transaction has found it, its issuer settled.
	LedgerRead struct {
		Ledger journal.Ledger
		Lost   bool // it did not name the issuer: the file has gone
		Err    error
	}
	// LedgerSaved is the end of writing falcred.json.
	LedgerSaved struct {
		Rev   int
		Whole bool // nothing was left out because of State.Owed
		Err   error
	}
	// Noted adds to the ledger.
	Noted struct{ Note }
	// ConsumedHere names refresh tokens that something else than a rotation has used up.
	ConsumedHere struct{ Refresh []string }

	// Granted is the issuer's answer to a rotation. It is in the journal already, if
	// Recorded says so.
	Granted struct {
		From     string // the refresh token that was used up
		Reply    issuer.Reply
		InFile   string // the refresh token that the file held before
		Recorded bool
		Wrong    bool   // its ID token is wrong, whatever its signature
		Client   string // as which it was asked for
	}
	// Committed says that what was granted is in the token file.
	Committed struct{}
	// Rotated is the end of a rotation, its ID token judged.
	Rotated struct {
		Tokens  tokenfile.TokenPair // zero where nothing was sent
		Verdict issuer.Verdict
		Subject string // whose account the login was so far
		Keys    string // where the issuer's keys are
		Forced  string // the access token that a client wanted to be rid of
		Pause   time.Duration
	}
	// Failed is a transaction that did not come to its end.
	Failed struct {
		failure
		Pause time.Duration
	}
	// Refused says that the issuer does not accept a refresh token (invalid_grant).
	Refused struct{ Refresh string }
	// FallbackTaken hands the fallback out: it is tried once.
	FallbackTaken struct{ Refresh string }
	// FallbackKept gives it back: the network failed, not the token. A logout since has ended
	// it too, and a login that was replaced meanwhile is newer.
	FallbackKept struct{ Fallback }
	// FallbackFound is one that the journal had. One that is there already is newer.
	FallbackFound struct{ Fallback }
	// Restored says that the tokens held are in the file again.
	Restored struct{ Why string }
	// Settled says that an answer of an earlier rotation was found in the journal, and is
	// in the file now.
	Settled struct{ Tokens tokenfile.TokenPair }
	// Stored is a login that a client brought, in the file now.
	Stored struct {
		Reply   issuer.Reply
		Verdict issuer.Verdict
		Subject string
		Keys    string
	}
	// Stepped is one rotation of the login that is about to be committed: From was consumed,
	// and To came for it, for a client. Subject is whose it is, where that was proved. JustNow says
	// that it came a moment ago, and not to an earlier process.
	Stepped struct {
		From    string
		To      tokenfile.TokenPair
		Client  string
		Subject string
		JustNow bool
	}
	// Followed has the ledger say of the newest login what another one says.
	Followed struct{ Ledger journal.Ledger }
	// Kept is a login that `falcred login` has written.
	Kept struct{ Tokens tokenfile.TokenPair }
	// Leaving says that we are about to delete the file ourselves, or could not.
	Leaving bool
	// Ended is a logout.
	Ended struct{ Why string }

	// Tick says that something may have become due: by the schedule's clock, or for a
	// request that has to wait.
	Tick struct{ Unfinished string } // the refresh token that the journal has an entry for
	// Retried is the end of another try to verify an ID token.
	Retried struct {
		Doubt   *Doubt
		Verdict issuer.Verdict
	}
	// Happened concerns the daemon itself: it is only written down.
	Happened struct{ Kind, Cause string }
	// Warned keeps what people should know but what stops nothing, once each. It takes the
	// place of the warning that begins with Instead, if there is one.
	Warned struct{ Text, Instead string }

	// TeamRead is a reading of the fal config.
	TeamRead struct {
		Path  string
		Name  string
		Empty bool // there is no such file, or nothing in it
		Err   error
	}
	// TeamWanted says that a request names a team that is not known.
	TeamWanted struct{}
	// TeamsAnswered is the REST host's word on an account's teams.
	TeamsAnswered struct {
		of      account
		List    []fal.Account // never changed
		Err     error
		GivenUp bool // nobody wanted to know any more: another login, or another team is named
		Pause   time.Duration
	}
)

func (Read) event()          {}
func (Pinged) event()        {}
func (LedgerRead) event()    {}
func (LedgerSaved) event()   {}
func (Noted) event()         {}
func (ConsumedHere) event()  {}
func (Granted) event()       {}
func (Committed) event()     {}
func (Rotated) event()       {}
func (Failed) event()        {}
func (Refused) event()       {}
func (FallbackTaken) event() {}
func (FallbackKept) event()  {}
func (FallbackFound) event() {}
func (Restored) event()      {}
func (Settled) event()       {}
func (Stored) event()        {}
func (Stepped) event()       {}
func (Followed) event()      {}
func (Kept) event()          {}
func (Leaving) event()       {}
func (Ended) event()         {}
func (Tick) event()          {}
func (Retried) event()       {}
func (Happened) event()      {}
func (Warned) event()        {}
func (TeamRead) event()      {}
func (TeamWanted) event()    {}
func (TeamsAnswered) event() {}

// Note is something that was learned, for the ledger. What it says of a login holds only
// while that is the newest one the ledger knows.
type Note struct {
	Refresh  string // the login that Subject and Doubt are about
	Subject  *string
	Doubt    *journal.Doubted
	Wrong    tokenfile.TokenPair // is not to be trusted, whatever the newest
	Consumed string              // fingerprint of a refresh token that another program has used up
	Team     *journal.Team
	Person   *journal.Person
	Asked    *journal.Asked
	Erased   *journal.Erased
	Course   *journal.Course
}

func (n Note) on(l journal.Ledger) journal.Ledger {
	if n.Subject != nil {
		l = l.Belongs(n.Refresh, *n.Subject)
	}
	if n.Doubt != nil && l.IsTip(n.Refresh) {
		l.Doubt = *n.Doubt
	}
	if n.Wrong.Refresh != "" {
		l = l.Distrust(n.Wrong)
	}
	if n.Consumed != "" {
		l = l.ConsumePrint(n.Consumed)
	}
	if n.Team != nil {
		l.Team = *n.Team
	}
	if n.Person != nil {
		l.Person = *n.Person
	}
	if n.Asked != nil {
		l.Asked = *n.Asked
	}
	if n.Erased != nil {
		l = l.Erase(*n.Erased)
	}
	if n.Course != nil {
		l.Course = *n.Course
	}
	return l
}
