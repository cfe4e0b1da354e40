package login

import (
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// The universe of the search. It is noon for ever: when time passes, all that has a time gets
// older instead. Refresh tokens have names, and of each name there is a pair for each kind of
// access token. A name that nothing refers to any more is as good as new, so those of one
// account are numbered anew in the order in which a place refers to them, and four that are
// never forgotten stand for all that was: spent was consumed, ancient was so long ago that only
// falcred.consumed has it, bad is a login whose ID token was wrong, and legacy one that an earlier
// version has called unverified.

// access is a kind of access token.
type access int

const (
	young    access = iota // issued a moment ago
	halfOver               // half of its life is over
	runOut
	opaque  // nobody can read it
	oneLine // there is none
	accesses
)

var (
	accessNames = [accesses]string{"young", "half over", "run out", "opaque", "one line"}
	accessAges  = [...]time.Duration{30 * time.Second, 90 * time.Minute, 3 * time.Hour}
	annsNames   = []string{"ann1", "ann2", "ann3", "ann4", "ann5", "ann6", "ann7"}
	bobsNames   = []string{"bob1", "bob2", "bob3", "bob4"}
)

// kind is a pair of the universe.
type kind struct {
	name string
	access
}

func (k kind) String() string { return k.name + " (" + accessNames[k.access] + ")" }

var (
	pairOf     = map[kind]tokenfile.TokenPair{}
	datedOf    = map[kind]tokenfile.Token{}
	kindOfPair = map[tokenfile.TokenPair]kind{}
	printOf    = map[string]string{} // the fingerprint of a name
	nameOf     = map[string]string{} // the name of a fingerprint
	_          = fillUniverse()
)

func fillUniverse() bool {
	for _, name := range slices.Concat(annsNames, bobsNames, []string{"spent", "ancient", "bad", "legacy", "foreign"}) {
		printOf[name], nameOf[tokenfile.Fingerprint(name)] = tokenfile.Fingerprint(name), name
		for a := range accesses {
			k, p := kind{name, a}, tokenfile.TokenPair{Refresh: name}
			switch {
			case a == opaque:
				p.Access = "opaque-" + name
			case a != oneLine && name == "foreign":
				p = tokens(name, "ann", "https://elsewhere.example.com/", accessAges[a])
			case a != oneLine:
				p = tokens(name, accountOf(name), here, accessAges[a])
			}
			pairOf[k], datedOf[k], kindOfPair[p] = p, tokenfile.Dated(p, noon), k
		}
	}
	return true
}

// account is whose a name is.
func accountOf(name string) string {
	switch {
	case name == "":
		return ""
	case strings.HasPrefix(name, "bob"):
		return "bob"
	}
	return "ann"
}

// hold is what .portalock is held for.
type hold int

const (
	free      hold = iota
	sending        // a refresh token is on its way to the issuer
	refused        // the issuer has said no
	granted        // the answer is there, and not in the file yet
	settling       // an answer of an earlier rotation is about to be put in place
	restoring      // what is held is put back
	storing        // a login that a client has brought
	leaving        // a logout, which is deleting the file
	left           // it is deleted
)

// surroundings are what decides which events can come: what the manager has under way.
type surroundings struct {
	command   bool // it is the machine of a command, which reads no file
	hold      hold
	rotating  bool                // R1: a rotation is under way
	sent      string              // its refresh token
	about     string              // the login that it is for
	inFile    string              // what the file held when it was chosen
	fallback  Fallback            // as what it was chosen
	got       tokenfile.TokenPair // what came for it
	wrong     bool                // its ID token is
	brought   tokenfile.TokenPair // what is settled, or stored
	verifying bool                // an ID token is tried again
}

// place is a state of the login in its surroundings.
type place struct {
	State
	surroundings
}

// beginning is the place in which a daemon, or a command, begins.
func beginning(command bool) place {
	return place{State: State{Ledger: journal.Ledger{Issuer: here}, ledgerRev: 1}, surroundings: surroundings{command: command}}
}

// names are those that a place refers to, in order.
func (p *place) names() []string {
	found := make([]string, 0, 16)
	for _, name := range [...]string{
		p.Tokens.Refresh, p.Served.Refresh, p.Fallback.Refresh, p.Replaces, p.Owed, p.Competing, p.Dead,
		nameOf[p.Ledger.Tip], nameOf[p.Ledger.Doubt.Login],
		p.sent, p.about, p.inFile, p.surroundings.fallback.Refresh, p.got.Refresh, p.brought.Refresh,
	} {
		if name != "" && !slices.Contains(found, name) {
			found = append(found, name)
		}
	}
	return found
}

// unknown is a name of that account that a place does not refer to, "" where the universe has
// none left.
func (p *place) unknown(account []string) string {
	names := p.names()
	for _, name := range account {
		if !slices.Contains(names, name) {
			return name
		}
	}
	return ""
}
