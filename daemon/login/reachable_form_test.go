package login

import (
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// scope is what a search looks into; all else it forgets after each step, so that it comes to an
// end. Each search meets every event at each of its places; what it leaves out is only what comes
// of two things together that no scope has both of.
type scope struct {
	pauses   bool // R7's
	files    bool // a file that is empty or cannot be used
	problems bool // those that pass, and a ping that goes on though the file is back
	fallback bool
	grants   bool // odd answers: opaque, without an access token, not rotated
	doubts   bool // ID tokens in doubt…
	tries    bool // …how often they were tried, and what the ledger says of it
	past     bool // logins that were called wrong, or unverified, before
	rivals   bool // competing tokens, rejected ones, and what the next start has to send
	tips     bool // which is the newest, whose, and what other daemons have done
	ledger   bool // what is not written down yet
	others   bool // another account's logins
	beside   bool // what changes nothing of the login
	meets    bool // that the file changes between the steps of a transaction
	between  bool // the same of all else
}

// canonical is a place with all left out that next cannot tell apart, or that this search
// leaves alone: how long something has lasted where no rule asks for it, what is for people
// only, and teams.
func (p place) canonical(in scope) place {
	p.leaveOut(in)
	p.forget()
	names := p.names()
	renamed := make(map[string]string, len(names))
	anns, bobs := 0, 0
	for _, name := range names {
		switch {
		case strings.HasPrefix(name, "ann"):
			renamed[name] = annsNames[anns]
			anns++
		case strings.HasPrefix(name, "bob"):
			renamed[name] = bobsNames[bobs]
			bobs++
		default:
			renamed[name] = name
		}
	}
	p.rename(renamed)
	p.round()
	return p
}

// leaveOut drops what is not looked into.
func (p *place) leaveOut(in scope) {
	if !in.pauses {
		p.Retry = time.Time{}
	}
	if !in.files {
		p.EmptySince, p.FileProblem = time.Time{}, nil
	}
	if q := p.Problem; !in.problems && q != nil && q.Code != protocol.CodeLoginRequired {
		p.Problem = nil
	}
	if !in.problems {
		p.Pinging = p.Pinging && p.Phase == Missing
	}
	if !in.fallback {
		p.Fallback = Fallback{}
	}
	if !in.doubts {
		p.Doubt, p.verifying = nil, false
	}
	if !in.tries {
		p.Ledger.Doubt = journal.Doubted{}
		if p.Doubt != nil {
			p.Doubt = &Doubt{Retry: p.Doubt.Retry}
		}
	}
	if !in.rivals {
		p.Competing, p.Dead, p.Refreshed, p.Owed = "", "", time.Time{}, ""
	}
	if !in.tips {
		p.Ledger.Tip, p.Ledger.Subject, p.Ledger.TipIssued = "", "", 0
	}
	if !in.ledger {
		p.ledgerRev = p.ledgerSaved
	}
}

// forget drops what nothing comes of any more.
func (p *place) forget() {
	if p.Phase == LoggedOut || p.Phase == Foreign || p.Dead != p.Tokens.Refresh && p.Dead != p.Fallback.Refresh {
		p.Dead = ""
	}
	if p.Competing != p.Tokens.Refresh {
		p.Competing = ""
	}
	if tip := nameOf[p.Ledger.Tip]; p.held() && tip != p.Tokens.Refresh && tip != p.Fallback.Refresh && tip != p.got.Refresh && tip != p.brought.Refresh && tip != p.Replaces {
		p.Ledger.Tip, p.Ledger.Subject, p.Ledger.TipIssued = "", "", 0
	}
	if d := nameOf[p.Ledger.Doubt.Login]; d != nameOf[p.Ledger.Tip] || d == "" {
		p.Ledger.Doubt = journal.Doubted{}
	}
	if p.Trying != p.surroundings.fallback.Refresh {
		p.Trying = ""
	}
	if p.hold == free && !p.rotating {
		p.Trying = ""
		p.surroundings = surroundings{command: p.command, verifying: p.verifying}
	}
}

func (p *place) rename(renamed map[string]string) {
	for _, name := range [...]*string{
		&p.Trying, &p.Replaces, &p.Owed, &p.Competing, &p.Dead, &p.sent, &p.about, &p.inFile, &p.Fallback.Refresh, &p.surroundings.fallback.Refresh,
	} {
		*name = renamed[*name]
	}
	for _, t := range [...]*tokenfile.Token{&p.Tokens, &p.Served} {
		*t = canonicalToken(*t, renamed)
	}
	for _, pair := range [...]*tokenfile.TokenPair{&p.got, &p.brought} {
		if k := kindOfPair[*pair]; pair.Refresh != "" {
			*pair = pairOf[kind{renamed[k.name], k.access}]
		}
	}
	known := func(prints []string, always string) []string {
		kept := []string{printOf[always]}
		for from, to := range renamed {
			if to != always && slices.Contains(prints, printOf[from]) {
				kept = append(kept, printOf[to])
			}
		}
		slices.Sort(kept)
		return kept
	}
	old := p.Ledger
	p.Ledger = journal.Ledger{
		Issuer: here, Recent: known(old.Recent, "spent"), Wrong: known(old.Wrong, "bad"),
		Tip: printOf[renamed[nameOf[old.Tip]]], Subject: old.Subject, TipIssued: old.TipIssued,
		Doubt:      journal.Doubted{Login: printOf[renamed[nameOf[old.Doubt.Login]]]},
		Unverified: tokenfile.Fingerprint(pairOf[kind{"legacy", young}].Access),
	}
}

// canonicalToken has the times of the pair's own claims. Those of an opaque one are its answer's.
func canonicalToken(t tokenfile.Token, renamed map[string]string) tokenfile.Token {
	if t.Refresh == "" {
		return tokenfile.Token{}
	}
	k, known := kindOfPair[t.TokenPair]
	if !known {
		panic("a token that is not of the universe")
	}
	c := datedOf[kind{renamed[k.name], k.access}]
	if t.Valid(noon) && c.Expires.IsZero() {
		c.Expires, c.RefreshAt = noon.Add(time.Hour), noon.Add(30*time.Minute)
	} else if t.Expires.IsZero() { // R10: what an earlier version has called unverified
		c.Expires, c.RefreshAt = time.Time{}, time.Time{}
	}
	return c
}

// round takes all times of a class for one.
func (p *place) round() {
	if p.Retry = later(p.Retry, time.Second); p.Retry.IsZero() {
		p.RetryOnChange = false
	}
	switch {
	case p.EmptySince.IsZero():
	case noon.Sub(p.EmptySince) >= writerDied:
		p.EmptySince = noon.Add(-writerDied)
	default:
		p.EmptySince = noon
	}
	if d := p.Doubt; d != nil {
		c := Doubt{Subject: d.Subject, Tries: d.Tries}
		if c.Retry = later(d.Retry, 10*time.Second); c.Retry.IsZero() && !d.Retry.IsZero() {
			c.Retry = noon.Add(-time.Second)
		}
		p.Doubt = &c
	}
	if noon.Sub(p.Refreshed) < competingWindow {
		p.Refreshed = noon
	} else {
		p.Refreshed = time.Time{}
	}
	if q := p.Problem; q != nil && q.Code != protocol.CodeLoginRequired { // which of those that pass alike
		p.Problem = &Problem{Code: q.Code, Text: "it passes", file: q.file, unheard: q.unheard}
	}
	if p.ledgerRev -= p.ledgerSaved; p.ledgerRev != 0 {
		p.ledgerRev = 1
	}
	p.ledgerSaved, p.saveTried = 0, time.Time{}
	p.Outdated, p.fileRev, p.Refreshes, p.Forced, p.minute, p.inMinute, p.reportedAt, p.refused, p.Warnings, p.Team, p.Teams, p.logins = false, 0, 0, "", time.Time{}, 0, time.Time{}, false, nil, Team{}, Teams{}, 0
}

// later is a moment to come, or none.
func later(t time.Time, in time.Duration) time.Time {
	if noon.Before(t) {
		return noon.Add(in)
	}
	return time.Time{}
}

// form is a canonical place as a key.
type form struct {
	Phase                                            Phase
	Tokens, Served                                   tokenfile.Token
	Replaces, Owed, Competing, Dead, Trying          string
	Fallback                                         Fallback
	Committing, RetryOnChange, Pinging, Leaving      bool
	doubted                                          bool
	Doubt                                            doubtForm
	EmptySince, Retry, Refreshed                     time.Time
	Problem, FileProblem                             Problem
	reported, recent, wrong, tip, subject, doubtedOf string
	tipIssued                                        int64
	unwritten                                        bool
	surroundings
}

// doubtForm is a [Doubt] that can be compared.
type doubtForm struct {
	Subject string
	Tries   int
	Retry   time.Time
}

func (p *place) form() form {
	f := form{
		Phase: p.Phase, Tokens: p.Tokens, Served: p.Served, Replaces: p.Replaces, Owed: p.Owed, Competing: p.Competing, Dead: p.Dead, Trying: p.Trying,
		Fallback: p.Fallback, Committing: p.Committing, RetryOnChange: p.RetryOnChange, Pinging: p.Pinging, Leaving: p.Leaving,
		EmptySince: p.EmptySince, Retry: p.Retry, Refreshed: p.Refreshed, reported: p.reported,
		recent: strings.Join(p.Ledger.Recent, " "), wrong: strings.Join(p.Ledger.Wrong, " "),
		tip: p.Ledger.Tip, subject: p.Ledger.Subject, tipIssued: p.Ledger.TipIssued, doubtedOf: p.Ledger.Doubt.Login,
		unwritten: p.unwritten(), surroundings: p.surroundings,
	}
	if p.Doubt != nil {
		f.doubted, f.Doubt = true, doubtForm{p.Doubt.Subject, p.Doubt.Tries, p.Doubt.Retry}
	}
	if p.Problem != nil {
		f.Problem = *p.Problem
	}
	if p.FileProblem != nil {
		f.FileProblem = *p.FileProblem
	}
	return f
}

// older is a place after that time. A long one is more than half of a token's life.
func (p place) older(d time.Duration) place {
	for _, t := range [...]*time.Time{&p.Retry, &p.EmptySince, &p.Refreshed} {
		if !t.IsZero() {
			*t = t.Add(-d)
		}
	}
	if p.Doubt != nil {
		c := *p.Doubt
		if !c.Retry.IsZero() {
			c.Retry = c.Retry.Add(-d)
		}
		p.Doubt = &c
	}
	if d < time.Hour {
		return p
	}
	for _, t := range [...]*tokenfile.Token{&p.Tokens, &p.Served} {
		if k := kindOfPair[t.TokenPair]; k.access == opaque {
			t.Expires, t.RefreshAt = time.Time{}, time.Time{}
		} else if t.Refresh != "" {
			undated := t.Expires.IsZero()
			if *t = datedOf[kind{k.name, aged(k.access)}]; undated {
				t.Expires, t.RefreshAt = time.Time{}, time.Time{}
			}
		}
	}
	for _, pair := range [...]*tokenfile.TokenPair{&p.got, &p.brought} {
		if k := kindOfPair[*pair]; pair.Refresh != "" {
			*pair = pairOf[kind{k.name, aged(k.access)}]
		}
	}
	for a := runOut; a > young; a-- {
		if p.Ledger.TipIssued == noon.Add(-accessAges[a-1]).Unix() {
			p.Ledger.TipIssued = noon.Add(-accessAges[a]).Unix()
			break
		}
	}
	return p
}

func aged(a access) access {
	if a < runOut {
		return a + 1
	}
	return a
}
