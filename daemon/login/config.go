package login

import (
	"cmp"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"time"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/env"
)

// Config is what a [Manager] needs to know.
type Config struct {
	Home     string
	FalsHome bool // Home is ~/.fal, which is fal's: other issuers' logins are kept elsewhere
	Issuer   string
	Named    bool   // FALCRED_ISSUER names it: it is not fal's for want of another
	ClientID string // of the next login, and of one whose own client nobody knows
	Audience string // of the next login, as are the scopes; "" for none
	Scopes   string
	Servers  env.Servers
	Key      env.Key // served instead of the login to those who are not forced to that

	OnChange  string     // a command to run at each change of state
	Notify    bool       // have the desktop show that the login has ended
	FalConfig fal.Config // names the team
	REST      string     // fal's REST host, which knows a team's id; "" resolves none
	RESTNamed string     // the variable that names it; "" leaves it to the fal config where REST is fal's own

	// Transport carries every request to the issuer and the REST host; nil is the network.
	Transport http.RoundTripper
}

// CheckIssuer is the error of a home whose logins are of another issuer than cfg names:
// nothing of them is sent anywhere then. The home decides, by what it recorded at first
// use; a shell can have forgotten the issuer's name.
func (cfg Config) CheckIssuer() error {
	ledger, err := cfg.ledger()
	if err != nil {
		return err
	}
	_, err = ledger.SettleIssuer(cfg.Issuer, issuer.FalIssuer, cfg.FalsHome)
	return err
}

// ledger is what the home remembers. A damaged one is none, where the issuer is certain without
// it: by falcred's own setting, by the home, or by the token itself. Elsewhere it is an error:
// a login could be sent to somebody else's issuer (R13). Nothing is set aside here.
func (cfg Config) ledger() (journal.Ledger, error) {
	l, err := journal.Load(cfg.Home)
	if !journal.Damaged(cfg.Home, err) {
		return l, err
	}
	iss := tokenfile.IssuerOf(tokenfile.In(cfg.Home, nil).Read().Pair.Access)
	if cfg.Named || cfg.FalsHome || cfg.Issuer != issuer.FalIssuer || iss != "" && tokenfile.SameIssuer(iss, cfg.Issuer) {
		return journal.Ledger{}, nil
	}
	text, _ := fsx.Explain(err)
	return l, fmt.Errorf("%s, and nothing else says whose logins this home holds\n"+
		"name their issuer in %s, as FALCRED_ISSUER=%s: then falcred sets the damaged file aside by itself",
		text, filepath.Join(cfg.Home, "falcred.env"), issuer.FalIssuer)
}

// CheckFile is CheckToken for the login in the token file, if there is one.
func (cfg Config) CheckFile() error {
	return cfg.CheckToken(tokenfile.In(cfg.Home, nil).Read().Pair.Access)
}

// CheckToken is the same for one token, whose issuer can be read in it.
func (cfg Config) CheckToken(access string) error {
	if other := tokenfile.IssuerOf(access); other != "" && !tokenfile.SameIssuer(other, cfg.Issuer) {
		return fmt.Errorf("this home holds a login from %s, which is not sent to %s\n%s", short(strconv.Quote(other)), cfg.Issuer, journal.IssuerHint)
	}
	return nil
}

// ValidAccess is the access token in a home's token file, read as an SDK would, if it has
// not run out.
func ValidAccess(home string) (access string, ok bool) {
	t := tokenfile.Dated(tokenfile.In(home, nil).Read().Pair, clock.Now())
	return t.Access, t.Valid(clock.Now())
}

// Seen is a login as the files of its home tell of it.
type Seen struct {
	Account     string // the issuer's name for it, "" where that is not known
	Name, Email string // by a verified ID token, "" where none said
	Issuer      string // "" where falcred has never been at work there
	Since       time.Time
	Ended       bool      // the issuer does not accept it any more
	Unverified  bool      // whose login it is could not be verified, so far
	Ends        time.Time // when it may end by its age, as the one before it did; zero where nothing says so
	token       string    // fingerprint of its refresh token
}

// See reads who is logged in at a home, for where no daemon can be asked. It needs no lock and changes
// nothing. Without a login ok is false.
func See(home string) (who Seen, ok bool) {
	l, _ := journal.Load(home) // without it the file alone tells
	return seen(tokenfile.In(home, nil).Read(), l)
}

// seen is [See] where both files have been read.
func seen(content tokenfile.Content, l journal.Ledger) (who Seen, ok bool) {
	if content.State != tokenfile.Holds {
		return who, false
	}
	refresh := content.Pair.Refresh
	who.token = tokenfile.Fingerprint(refresh)
	who.Account = cmp.Or(l.SubjectOf(refresh), tokenfile.Dated(content.Pair, clock.Now()).Subject)
	person := l.Who(who.Account)
	who.Name, who.Email, who.Issuer = person.Name, person.Email, l.Issuer
	who.Since, who.Ended, who.Unverified = l.Course.SinceOf(refresh), l.Course.IsOver(refresh), l.Doubt.Of(refresh)
	if _, end, ok := l.Course.Term(refresh); ok && end.After(clock.Now()) {
		who.Ends = end
	}
	return who, true
}
