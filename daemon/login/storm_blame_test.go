//go:build linux || darwin

package login

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// entry is one line of the neighbours' journal.
type entry struct {
	time time.Time
	who  string // fal-cli/7
	what string // wrote; deletes, and deleted when it has
	hash string // of the refresh token
}

// evidence is what is known when a login has been lost.
type evidence struct {
	requests []idp.Request // at the issuer, in order of arrival
	journal  []entry
	saved    []time.Time // when falcred brought a refresh into the file
}

// travel is the most that a request takes from falcred's last look at the file
// (F1) to the issuer's clock, on a machine with far too much to do.
const travel = 500 * time.Millisecond

const falcredItself = "falcred"

// unknown is a loss that the record cannot trace.
const unknown = "unknown"

// agentOf is who sent a request: only the neighbours say.
func agentOf(r idp.Request) string {
	if kind := kindOf(r.Agent); kind == "fal-cli" || kind == "fal_client" {
		return kind
	}
	return falcredItself
}

// kindOf leaves out which one it was.
func kindOf(who string) string {
	kind, _, _ := strings.Cut(who, "/")
	return kind
}

// readAt is when its sender had read the file.
func readAt(r idp.Request) time.Time {
	_, text, _ := strings.Cut(r.Agent, " read/")
	seconds, _ := strconv.ParseFloat(text, 64)
	return time.UnixMicro(int64(seconds * 1e6))
}

// blame says by whose fault r met a token that was not the newest.
func (e *evidence) blame(r idp.Request) (who, why string) {
	spender, spent := e.spender(r)
	if !spent {
		// Nobody has used up it: it was the answer to a request that another
		// one, with the same token, has superseded. That one is looked at.
		if replay, ok := e.superseder(r); ok {
			who, why = e.blame(replay)
			return who, "superseded by a replay: " + why
		}
		return unknown, "the record does not say how the token became old"
	}
	first, second := agentOf(spender), agentOf(r)
	switch {
	case first == falcredItself && second == falcredItself:
		return falcredItself, "sent a token twice (F5)"
	case second == falcredItself && e.goneFromFile(spender, r):
		return falcredItself, "sent a token that the file no longer held (F1)"
	case second == falcredItself:
		return first, "spent the token without excluding falcred"
	case first == falcredItself && e.leftInFile(spender, r):
		return falcredItself, "left a spent token in the file (R5)"
	}
	return second, "sent a token that " + first + " had spent since it was read"
}

// spender is who was granted a token for the same one.
func (e *evidence) spender(r idp.Request) (idp.Request, bool) {
	for _, q := range e.requests {
		// Whichever arrived first: the issuer's commits have an order of their own.
		if q.Number != r.Number && q.RefreshHash == r.RefreshHash && q.Outcome == "rotated" {
			return q, true
		}
	}
	return idp.Request{}, false
}

// superseder is the last replay of the token that r's came of. Where none has
// arrived before r, one has overtaken it: the issuer's commits have an order of
// their own, and after a reuse it grants no replay any more.
func (e *evidence) superseder(r idp.Request) (replay idp.Request, ok bool) {
	for _, q := range e.requests {
		if q.Issued != r.RefreshHash {
			continue
		}
		for _, other := range e.requests {
			replayed := other.RefreshHash == q.RefreshHash && other.Outcome == "replayed"
			if replayed && (other.Number < r.Number || !ok) {
				replay, ok = other, true
			}
		}
	}
	return replay, ok
}

// goneFromFile: what the spender was given stood in the file well before
// falcred sent, and nobody had put the old token back.
func (e *evidence) goneFromFile(spender, r idp.Request) bool {
	gone := false
	for _, j := range e.journal {
		switch {
		case j.what != "wrote" || j.time.After(r.Time):
		case j.hash == r.RefreshHash:
			gone = false
		case j.hash == spender.Issued && j.time.Before(r.Time.Add(-travel)):
			gone = true
		}
	}
	return gone
}

// leftInFile: the sender read the token after falcred's refresh of it was in
// the file, or must have been (F1's longest hold), and nobody had put it back.
func (e *evidence) leftInFile(spender, r idp.Request) bool {
	done := spender.Time.Add(tokenfile.HoldMax)
	for _, at := range e.saved {
		if at.After(spender.Time) && at.Before(done) {
			done = at
		}
	}
	for _, j := range e.journal {
		if j.what == "wrote" && j.hash == r.RefreshHash && j.time.After(spender.Time) {
			return false
		}
	}
	return readAt(r).After(done.Add(time.Millisecond)) // the log's clock is that coarse
}

// readJournal reads what the neighbours have written so far.
func readJournal(t *testing.T, path string) (journal []entry) {
	t.Helper()
	file, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) != 4 {
			t.Fatalf("the journal says %q", lines.Text())
		}
		seconds, err := strconv.ParseFloat(words[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		journal = append(journal, entry{time.UnixMicro(int64(seconds * 1e6)), words[1], words[2], words[3]})
	}
	return journal
}

// savedTimes are when falcred's log says that a refresh was in the file.
func savedTimes(log string) (saved []time.Time) {
	for line := range strings.Lines(log) {
		stamp, rest, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		if !strings.Contains(rest, "msg=refreshed") {
			continue
		}
		if at, err := time.Parse(time.RFC3339, stamp); err == nil {
			saved = append(saved, at)
		}
	}
	return saved
}

// The judge is judged: each kind of loss, with a record that is made up.
func TestStormBlame(t *testing.T) {
	begin := time.Unix(1_000_000_000, 0)
	at := func(ms int) time.Time { return begin.Add(time.Duration(ms) * time.Millisecond) }
	neighbour := func(kind string, read int) string {
		return kind + "/1 read/" + strconv.FormatFloat(float64(at(read).UnixMicro())/1e6, 'f', 6, 64)
	}
	request := func(n, ms int, agent, spends, issued, outcome string) idp.Request {
		return idp.Request{Number: n, Time: at(ms), Agent: agent, RefreshHash: spends, Issued: issued, Outcome: outcome}
	}
	const ours = "Go-http-client/1.1"
	for _, c := range []struct {
		name    string
		first   idp.Request
		between []idp.Request
		last    idp.Request
		journal []entry
		want    string
	}{
		{name: "falcred twice", first: request(1, 0, ours, "a", "b", "rotated"), last: request(2, 9, ours, "a", "", "reuse detected"), want: falcredItself},
		{name: "fal_client read before falcred saved", first: request(1, 0, ours, "a", "b", "rotated"),
			last: request(2, 9, neighbour("fal_client", -5), "a", "", "reuse detected"), want: "fal_client"},
		{name: "falcred left it in the file", first: request(1, 0, ours, "a", "b", "rotated"),
			last: request(2, 90, neighbour("fal-cli", 80), "a", "", "reuse detected"), want: falcredItself},
		{name: "a neighbour put it back", first: request(1, 0, ours, "a", "b", "rotated"), journal: []entry{{at(40), "fal_client", "wrote", "a"}},
			last: request(2, 90, neighbour("fal-cli", 80), "a", "", "reuse detected"), want: "fal-cli"},
		{name: "a neighbour spent it as falcred did", first: request(1, 0, neighbour("fal_client", -5), "a", "b", "rotated"),
			last: request(2, 9, ours, "a", "", "reuse detected"), want: "fal_client"},
		{name: "falcred sent it long after it was replaced", first: request(1, 0, neighbour("fal_client", -5), "a", "b", "rotated"),
			journal: []entry{{at(10), "fal_client", "wrote", "b"}}, last: request(2, 5000, ours, "a", "", "reuse detected"), want: falcredItself},
		{name: "a competing token, superseded by fal-cli's replay", first: request(1, 0, ours, "a", "b", "rotated"),
			between: []idp.Request{request(2, 5, neighbour("fal-cli", -5), "a", "c", "replayed")},
			last:    request(3, 90, ours, "b", "", "reuse detected"), want: "fal-cli"},
		{name: "a competing token, superseded by a replay that overtook it", first: request(1, 0, ours, "a", "b", "rotated"),
			between: []idp.Request{request(3, 91, neighbour("fal_client", -5), "a", "c", "replayed")},
			last:    request(2, 90, ours, "b", "", "reuse detected"), want: "fal_client"},
	} {
		e := evidence{requests: append(append([]idp.Request{c.first}, c.between...), c.last), journal: c.journal, saved: []time.Time{at(30)}}
		if who, why := e.blame(c.last); who != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, who, why, c.want)
		}
	}
}

// tail is the end of a long log.
func tail(log string) string { return log[max(0, len(log)-8000):] }
