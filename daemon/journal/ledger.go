package journal

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
)

// LedgerName is the [Ledger]'s file in the home.
const LedgerName = "falcred.json"

// maxConsumed bounds the list of consumed tokens in memory, and savedConsumed in
// falcred.json, which earlier versions of falcred read: falcred.consumed has them all.
const (
	maxConsumed   = 256
	savedConsumed = 64
)

// Ledger is what falcred knows of the login in a home. It outlives the daemon, and
// holds no token: tokens stand in it by their fingerprints. It is written under .portalock
// only, by whoever has read it there anew: daemons that share a home all write it.
//
// A Ledger is a value. A method that changes something returns the changed one and
// leaves its receiver alone, so that a Ledger can be handed to any goroutine. The zero
// value is that of a new home.
type Ledger struct {
	Issuer     string       // whose tokens this home holds
	Recent     []string     `json:"Spent"` // fingerprints of the refresh tokens consumed last, the newest at the end
	Tip        string       // fingerprint of the newest refresh token that falcred was given…
	Subject    string       // …the account that it belongs to…
	TipIssued  int64        `json:",omitempty"` // …the iat of the access token that came with it, in s since 1970…
	TipLasts   int64        `json:",omitempty"` // …how long that lasts, in s, where it does not say so itself…
	ClientID   string       `json:",omitempty"` // …and the client that it was made with, "" where that is not known
	Asked      Asked        `json:",omitzero"`  // the newest `falcred login`
	Doubt      Doubted      `json:",omitzero"`  // about the login of Tip
	Wrong      Fingerprints `json:",omitzero"`  // logins whose ID token was wrong
	Unverified string       // the same for versions that knew no doubt: fingerprint of an access token
	Team       Team         // the last team that was resolved
	Person     Person       `json:",omitzero"`  // who it is that is logged in
	Rotated    int64        `json:",omitempty"` // when falcred last refreshed here, in s since 1970
	Erased     Erased       `json:",omitzero"`  // the login that was last ended over the wire
	Course     Course       `json:",omitzero"`  // since when the login exists, and how the last one ended
}

// Erased is whose login was ended by a client of the socket: no client may store another
// account's after it. A login that comes by the file lifts that, and is noted as one of
// nobody. Of two the younger holds, by At, in ns since 1970.
type Erased struct {
	Subject string
	At      int64
}

// Team is the id of a team, good for that name and one account.
type Team struct{ Name, Subject, ID string }

// Person is who has an account, by a verified ID token (R10): good for that account only.
type Person struct{ Subject, Name, Email string }

// Who is the person of an account, zero where nobody has said.
func (l Ledger) Who(subject string) Person {
	if subject == "" || l.Person.Subject != subject {
		return Person{}
	}
	return l.Person
}

// Load reads falcred.json. It needs no lock. A home without it has the zero Ledger. Where it
// is damaged, or no file of ours, the error is a *[strict.Problem], and [Damaged] unless the
// home itself is to blame.
func Load(home string) (Ledger, error) {
	path := filepath.Join(home, LedgerName)
	data, err := fsx.Read(path, fsx.MaxSmall)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Ledger{}, nil
	case strict.As(err) == nil && strict.Blocked(path, err):
		return Ledger{}, damaged(path, fsx.Cause(err))
	case err != nil:
		return Ledger{}, err
	}
	var l Ledger
	if err := json.Unmarshal(data, &l); err != nil {
		return Ledger{}, damaged(path, err)
	}
	return l.clamped(clock.Now()), nil
}

func damaged(path string, why error) error {
	return &strict.Problem{
		Path: path, Text: fmt.Sprintf("%s is damaged (%s)", path, Bounded(why.Error())),
		Hint: "move it away: it holds no login, only what falcred remembers about it",
	}
}

// Damaged reports whether an error of [Load] is about what stands in the place of falcred.json.
func Damaged(home string, err error) bool {
	return err != nil && strict.Blocked(filepath.Join(home, LedgerName), err)
}

// Recover is Load where the ledger can be done without: a mode that keeps us out is put right,
// and what is damaged is set aside. .portalock is held, since another falcred may just have
// written a whole one.
func Recover(home string) (Ledger, error) {
	l, err := Load(home)
	if !Damaged(home, err) {
		return l, err
	}
	path := filepath.Join(home, LedgerName)
	if err := strict.Repair(path); err != nil {
		return Ledger{}, err
	}
	if l, err = Load(home); Damaged(home, err) { // its content
		if err = strict.SetAside(path); err == nil {
			l = Ledger{}
		}
	}
	return l, err
}

// clamped takes no moment for later than now: whoever can write the file can write any, and
// clocks are set back.
func (l Ledger) clamped(now time.Time) Ledger {
	if l.TipIssued < 0 || l.TipIssued > now.Add(day).Unix() {
		l.TipIssued = 0
	}
	if l.TipLasts < 0 || l.TipLasts > int64(365*day/time.Second) {
		l.TipLasts = 0
	}
	if l.Rotated > now.Add(day).Unix() {
		l.Rotated = 0
	}
	if l.Erased.At > now.Add(day).UnixNano() { // else nothing would ever be younger
		l.Erased.At = now.UnixNano()
	}
	if l.Doubt.Since.After(now) {
		l.Doubt.Since = now.UTC().Truncate(time.Second)
	}
	l.Course = l.Course.clamped(now)
	return l
}

const day = 24 * time.Hour

// Save writes what falcred.consumed lacks, and then falcred.json. .portalock is held. Of
// the two one is written though the other fails. The consumed tokens are on the disk when
// Save returns; falcred.json is whole, but until its folder is fsynced, as each commit of
// an [Entry] does where the token file is no link, a power cut may bring back the one
// before.
func (l Ledger) Save(home string) error {
	err := ensureConsumed(home, l.Recent)
	l.Recent = newest(l.Recent, savedConsumed)
	return errors.Join(err, l.write(home))
}

// write replaces falcred.json by a whole new one. It leaves out the fsync of the folder:
// the file is advisory and written anew by each rotation, whose commit fsyncs the folder
// a moment later, and of what must not be lost, the consumed tokens, falcred.consumed has
// all. Three things it does bring to the disk, since they have to be there before what
// follows: the file's first appearance, with the home's issuer in it, before the issuer
// is sent anything (R13); that the newest login is wrong, before anybody finds that
// login in the token file (R10), which may lie in another folder; and which login is the
// newest where its access token does not say, before its answer loses its seal ([Entry.Answer]).
func (l Ledger) write(home string) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(home, LedgerName)
	_, err = disk.Lstat(path)
	first := errors.Is(err, fs.ErrNotExist)
	if err := fsx.WriteRename(path, append(data, '\n')); err != nil {
		return err
	}
	if first || slices.Contains(l.Wrong, l.Tip) || l.Tip != "" && l.TipIssued == 0 {
		return fsx.SyncFolder(home)
	}
	return nil
}

// Step is one link of the chain: from was consumed, and to came for it. The account stays
// what it was, "" where falcred had no part in the chain so far. Where the issuer has not
// rotated the token, nothing is consumed. A link that was noted before a kill is noted again
// when its answer is settled: that forgets nothing.
func (l Ledger) Step(from string, to tokenfile.TokenPair) Ledger {
	subject, client, lasts := l.SubjectOf(from), "", int64(0)
	if l.IsTip(from) {
		client = l.ClientID
	}
	if l.IsTip(to.Refresh) {
		subject, client, lasts = l.Subject, l.ClientID, l.TipLasts
	}
	if from != to.Refresh {
		l = l.Consume(from)
	}
	l = l.WithTip(to, subject)
	l.ClientID, l.TipLasts = client, lasts
	if !l.Doubt.Of(to.Refresh) {
		l.Doubt = l.Doubt.step(from, to.Refresh)
	}
	l.Course = l.Course.Step(from, to.Refresh)
	return l
}

// WithTip notes the newest refresh token that falcred was given, and its account, ""
// where that is not known.
func (l Ledger) WithTip(p tokenfile.TokenPair, subject string) Ledger {
	l.Tip, l.Subject, l.TipIssued, l.TipLasts, l.ClientID = tokenfile.Fingerprint(p.Refresh), subject, 0, 0, ""
	if issued := tokenfile.Dated(p, time.Time{}).Issued; !issued.IsZero() { // by its own word, whatever the time
		l.TipIssued = issued.Unix()
	}
	return l
}

// Belongs records the account of a refresh token, if that is still the newest.
func (l Ledger) Belongs(refresh, subject string) Ledger {
	if l.IsTip(refresh) {
		l.Subject = subject
	}
	return l
}

// IsTip reports whether refresh is the newest that falcred was given.
func (l Ledger) IsTip(refresh string) bool { return l.Tip == tokenfile.Fingerprint(refresh) }

// SubjectOf is the account of a refresh token, "" where falcred does not know it.
func (l Ledger) SubjectOf(refresh string) string {
	if l.IsTip(refresh) {
		return l.Subject
	}
	return ""
}

// Follow takes over what another knows of the newest login.
func (l Ledger) Follow(other Ledger) Ledger {
	l.Tip, l.Subject, l.TipIssued, l.TipLasts, l.ClientID = other.Tip, other.Subject, other.TipIssued, other.TipLasts, other.ClientID
	l.Doubt, l.Course = other.Doubt, other.Course
	if p := other.Who(other.Subject); p != (Person{}) { // else what is known of that account stays
		l.Person = p
	}
	return l
}

// Learn adds what is true whoever knows it. Of two lists the one whose
// newest entry the other has, too, is the older: its own entries come before the
// other's, so that what is left out for room is what is oldest.
func (l Ledger) Learn(other Ledger) Ledger {
	extra := slices.DeleteFunc(slices.Clone(other.Recent), func(print string) bool { return slices.Contains(l.Recent, print) })
	younger, older := l.follows(other), other.follows(l)
	switch { // the clock may have been ahead when the older was written, of another token
	case younger == older || l.Tip == other.Tip:
		l.Rotated = max(l.Rotated, other.Rotated)
	case older:
		l.Rotated = other.Rotated
	}
	if younger {
		l.Recent = newest(slices.Concat(extra, l.Recent), maxConsumed)
	} else {
		l.Recent = newest(slices.Concat(l.Recent, extra), maxConsumed)
	}
	l.Wrong = l.Wrong.with(other.Wrong...)
	l.Unverified = cmp.Or(l.Unverified, other.Unverified)
	if other.Erased.At > l.Erased.At {
		l.Erased = other.Erased
	}
	return l
}

// follows says whether l has the newest entry of another's list.
func (l Ledger) follows(other Ledger) bool {
	n := len(other.Recent)
	return n > 0 && slices.Contains(l.Recent, other.Recent[n-1])
}

// Merge adds what a daemon knows and could not write.
func (l Ledger) Merge(unwritten Ledger) Ledger {
	newer := unwritten.Tip != "" && unwritten.atLeastAsNew(l) // as l was: learning makes it younger
	l = l.Learn(Ledger{Recent: unwritten.Recent, Wrong: unwritten.Wrong, Rotated: unwritten.Rotated, Erased: unwritten.Erased})
	if newer {
		l = l.Follow(unwritten)
	}
	l.Unverified = cmp.Or(unwritten.Unverified, l.Unverified)
	l.Asked = cmp.Or(l.Asked, unwritten.Asked)
	if unwritten.Team.ID != "" {
		l.Team = unwritten.Team
	}
	return l
}

// atLeastAsNew says whether l knows the newest login, or the same as other: not one that other
// has seen used up, nor one that was there before another falcred of the home had a newer.
func (l Ledger) atLeastAsNew(other Ledger) bool {
	switch {
	case slices.Contains(other.Recent, l.Tip):
		return false
	case other.Tip == "" || other.Tip == l.Tip || slices.Contains(l.Recent, other.Tip):
		return true
	}
	return l.lastNoted() > other.lastNoted()
}

// lastNoted is when the newest login became that, in s since 1970, as far as l says.
func (l Ledger) lastNoted() int64 {
	if l.Course.Token == l.Tip {
		return max(l.Rotated, l.Course.Since.Unix())
	}
	return l.Rotated
}

// Consume notes that refresh was used up: it is never adopted and never sent again.
func (l Ledger) Consume(refresh string) Ledger { return l.ConsumePrint(tokenfile.Fingerprint(refresh)) }

// ConsumePrint is Consume for a token that is known by its fingerprint only.
func (l Ledger) ConsumePrint(print string) Ledger {
	if !slices.Contains(l.Recent, print) {
		l.Recent = newest(append(slices.Clip(l.Recent), print), maxConsumed) // clipped: the list is others' too
	}
	return l
}

// Consumed reports whether refresh is among the tokens consumed last. [Used] knows the
// older ones.
func (l Ledger) Consumed(refresh string) bool {
	return slices.Contains(l.Recent, tokenfile.Fingerprint(refresh))
}

// Without is the ledger that does not know yet that refresh is consumed: what may be
// saved before the answer that came for it is safe.
func (l Ledger) Without(refresh string) Ledger {
	consumed := tokenfile.Fingerprint(refresh)
	l.Recent = slices.DeleteFunc(slices.Clone(l.Recent), func(print string) bool { return print == consumed })
	return l
}

// Erase notes a login that was ended over the wire, or one that lifts this. It is the
// youngest, whatever the clock says.
func (l Ledger) Erase(e Erased) Ledger {
	e.At = max(e.At, l.Erased.At+1)
	l.Erased = e
	return l
}

// newest are the last n of them.
func newest(prints []string, n int) []string { return prints[max(0, len(prints)-n):] }

// Distrust notes that the ID token which came with p was wrong, for an earlier version too, which
// goes by the access token: where that is not kept there is nothing that it could serve.
func (l Ledger) Distrust(p tokenfile.TokenPair) Ledger {
	l.Wrong = l.Wrong.with(tokenfile.Fingerprint(p.Refresh))
	if p.Access != "" {
		l.Unverified = tokenfile.Fingerprint(p.Access)
	}
	return l
}

// Distrusts reports whether the login of a refresh token is over by a wrong ID token.
func (l Ledger) Distrusts(refresh string) bool {
	return slices.Contains(l.Wrong, tokenfile.Fingerprint(refresh))
}

// Unjudged reports whether an earlier version has called p unverified: it may only
// have been in doubt.
func (l Ledger) Unjudged(p tokenfile.TokenPair) bool {
	return p.Access != "" && l.Unverified == tokenfile.Fingerprint(p.Access) && !l.Distrusts(p.Refresh)
}

// IssuerHint is what to do where a home holds logins of another issuer.
const IssuerHint = "give each issuer its own home (FAL_HOME_DIR), and set FALCRED_ISSUER and FALCRED_CLIENT_ID in that home's falcred.env"

// SettleIssuer holds a home to one issuer: the first that is used there is recorded, and
// every later one must be the same, but for a slash at the end: both have one discovery
// document, which says how the name is written. The home of fal's own programs (falsHome) is
// falsIssuer's from the start. The second line of an error says what to do.
func (l Ledger) SettleIssuer(issuer, falsIssuer string, falsHome bool) (Ledger, error) {
	if l.Issuer == "" {
		if falsHome && issuer != falsIssuer {
			return l, fmt.Errorf("~/.fal is the home of fal's own programs, for logins of %s alone, and FALCRED_ISSUER is %s here\nfor that one set FAL_HOME_DIR to another folder", falsIssuer, issuer)
		}
		l.Issuer = issuer
	}
	if !tokenfile.SameIssuer(l.Issuer, issuer) {
		return l, fmt.Errorf("this home holds logins of %s, and FALCRED_ISSUER is %s here\n%s", l.Issuer, issuer, IssuerHint)
	}
	l.Issuer = issuer
	return l, nil
}
