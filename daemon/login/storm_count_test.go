//go:build (linux || darwin) && system

package login

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/tokenfile"
)

// look counts what has been lost since the last look, says whose fault it was,
// and signs in again.
func (s *storm) look() {
	s.collect()
	hash, lost := s.isLost()
	if !lost {
		s.ill = 0
		return
	}
	if s.ill++; s.ill < stormSeen {
		return
	}
	s.account(hash)
	s.signInAgain()
}

// account counts the loss of the present login. A reuse has been counted when
// the issuer detected it; what remains was deleted, revoked or written over.
// Only falcred revokes, and only after somebody has deleted the file (F5): that
// may have been in the login before, since a refresh takes its time.
func (s *storm) account(hash string) {
	e := evidence{requests: s.requests, journal: readJournal(s.T, s.journal)}
	earlier, _ := e.undone("", s.since.Add(-tokenfile.HoldMax))
	who, why := e.undone(hash, s.since)
	switch {
	case s.idp.Stats().Revocations > s.revoked && earlier == falcredItself:
		s.lose(falcredItself, "revoked a login that nobody had deleted (F5)")
	case !s.reused, hash == "" && who == falcredItself:
		s.lose(who, why)
	}
}

// collect takes over what is new in the issuer's record. Each reuse is the end
// of one login.
func (s *storm) collect() {
	s.judgePending()
	known := len(s.requests)
	for _, r := range s.idp.Requests() {
		// One that is still being decided is taken with the next look.
		if r.Number == len(s.requests)+1 && r.Outcome != "" {
			s.requests = append(s.requests, r)
		}
	}
	for _, r := range s.requests[known:] {
		if r.Outcome == "reuse detected" {
			s.pending = append(s.pending, r)
			s.reused = true
		}
	}
}

// judgePending judges the reuses of the look before: by now the record also
// holds a request that came later and was faster.
func (s *storm) judgePending() {
	for _, r := range s.pending {
		e := evidence{s.requests, readJournal(s.T, s.journal), savedTimes(s.log.String())}
		s.lose(e.blame(r))
	}
	s.pending = nil
}

func (s *storm) lose(who, why string) {
	s.lost[who]++
	s.reasons = append(s.reasons, who+" "+why)
}

// isLost: the file holds a login that has ended, or none. hash is the token's.
func (s *storm) isLost() (hash string, lost bool) {
	r := s.file.Read()
	switch r.State {
	case tokenfile.Holds:
		sum := sha256.Sum256([]byte(r.Pair.Refresh))
		return hex.EncodeToString(sum[:]), s.idp.Revoked(r.Pair.Refresh)
	case tokenfile.Absent:
		return "", true
	}
	return "", false // somebody is writing; a writer that died is F3's business
}

// signInAgain is `fal auth login`: under the lock, in place, line 1 only.
func (s *storm) signInAgain() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), tokenfile.LockWait)
	defer cancel()
	lock, err := tokenfile.Acquire(ctx, s.home)
	if err != nil {
		s.Fatal(err)
	}
	defer lock.Release()
	refresh, _, _ := s.idp.Login("ann")
	// Before the write: it may be deleted before we run again.
	s.since, s.ill, s.reused, s.revoked = time.Now(), 0, false, s.idp.Stats().Revocations
	if err := os.WriteFile(s.path, []byte(refresh), 0o600); err != nil {
		s.Fatal(err)
	}
}

// end: the storm is over, and with the neighbours gone falcred alone keeps
// the login.
func (s *storm) end() {
	s.Helper()
	for range stormSeen {
		s.look()
	}
	refreshes := s.idp.Stats().Refreshes
	s.until("one more refresh", func() bool {
		s.refreshNow()
		s.look()
		if s.lost[falcredItself] > 0 {
			return true // judge has more to say
		}
		return s.idp.Stats().Refreshes > refreshes && s.servesTheFile() && s.idp.Alive(s.inFile().Refresh)
	})
	s.wantNoEntries()
}

// judge is what every row must show.
func (s *storm) judge(row stormRow) {
	s.Helper()
	falcred, neighbours := s.refreshed()
	if n := s.lost[falcredItself]; n != 0 {
		s.Errorf("%d logins were lost by falcred:%s\n%s", n, s.why(), tail(s.log.String()))
	}
	// A few in a thousand cannot be traced: more would hide a fault of ours.
	if n, all := s.lost[unknown], s.lost["fal-cli"]+s.lost["fal_client"]; n > 1+all/50 {
		s.Errorf("of %d logins that were lost, nobody knows how:%s", n, s.why())
	}
	if s.wrong != 0 {
		s.Errorf("falcred gave %d bearers that the issuer does not accept", s.wrong)
	}
	if !s.enough() || s.answered == 0 {
		s.Errorf("no storm: %d uses, %d answers and %d refreshes by falcred in %d gusts", s.uses, s.answered, falcred, s.gusts)
	}
	if len(savedTimes(s.log.String())) == 0 {
		s.Error("the log does not say when a refresh was in the file: whoever left a spent token there goes free")
	}
	if !row.peaceful {
		if neighbours == 0 {
			s.Error("no neighbour refreshed: the row shows nothing")
		}
		return
	}
	if neighbours != 0 || s.answered != s.asked || len(s.reasons) != 0 || s.ends["fresh"]+s.ends["tripped over the lock file"]+s.ends["gave up the lock"] != s.uses {
		s.Errorf("falcred keeps the file fresh, yet of %d gets %d were answered, neighbours sent %d refreshes, their uses ended %v; lost: %q",
			s.asked, s.answered, neighbours, s.ends, s.reasons)
	}
	if seconds := s.gusts * int(stormLasts()/stormPace); falcred < seconds*3/4 {
		s.Errorf("falcred refreshed %d times in %d s: the neighbours kept it from its work", falcred, seconds)
	}
}

// enough says that the storm was one: what it shows is that falcred's refreshes survive.
func (s *storm) enough() bool {
	s.collect()
	falcred, _ := s.refreshed()
	return s.uses >= stormNeighbours && falcred >= 3
}

// refreshed counts the refreshes that the issuer granted.
func (s *storm) refreshed() (falcred, neighbours int) {
	for _, r := range s.requests {
		switch {
		case r.Issued == "":
		case agentOf(r) == falcredItself:
			falcred++
		default:
			neighbours++
		}
	}
	return falcred, neighbours
}

func (s *storm) outcome() string {
	falcred, neighbours := s.refreshed()
	var ends []string
	for _, how := range slices.Sorted(maps.Keys(s.ends)) {
		ends = append(ends, fmt.Sprintf("%d %s", s.ends[how], how))
	}
	return fmt.Sprintf("%d uses (%s); refreshes: falcred %d, neighbours %d; reuse detections %d; of %d gets %d answered, all valid; "+
		"logins lost by falcred: %d, by the CLI: %d, by fal_client: %d, untraced: %d%s; login alive",
		s.uses, strings.Join(ends, ", "), falcred, neighbours, s.idp.Stats().ReuseDetections, s.asked, s.answered,
		s.lost[falcredItself], s.lost["fal-cli"], s.lost["fal_client"], s.lost[unknown], s.why())
}

// why counts the reasons of the losses.
func (s *storm) why() string {
	count := map[string]int{}
	for _, reason := range s.reasons {
		count[reason]++
	}
	var list []string
	for _, reason := range slices.Sorted(maps.Keys(count)) {
		list = append(list, fmt.Sprintf("%d × %s", count[reason], reason))
	}
	if list == nil {
		return ""
	}
	return " (" + strings.Join(list, "; ") + ")"
}

// undone says who has ended, without any reuse, the login that stood in the
// file since then: by deleting it, or by writing the token of one that had
// ended before over it. hash is what the file holds, "" for no file.
func (e *evidence) undone(hash string, since time.Time) (who, why string) {
	if hash == "" {
		deleting := map[string]bool{} // the deletion lies between its two notes
		for _, j := range e.journal {
			switch {
			case j.what == "deletes":
				deleting[j.who] = true
			case j.what == "deleted" && j.time.Before(since):
				deleting[j.who] = false
			}
		}
		for culprit, guilty := range deleting {
			if guilty {
				return kindOf(culprit), "deleted the token file"
			}
		}
		return falcredItself, "nobody else deleted the token file"
	}
	for _, j := range e.journal {
		if j.what == "wrote" && j.hash == hash {
			return kindOf(j.who), "wrote a token of an ended login over the living one"
		}
	}
	for _, q := range e.requests { // its note is still to come
		if q.Issued == hash && agentOf(q) != falcredItself {
			return agentOf(q), "wrote a token of an ended login over the living one"
		}
	}
	return falcredItself, "nobody else wrote the dead token"
}
