package fal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// TeamHeader is what the fal CLI sends beside a login's token for a team: the
// UserID of its Account.
const TeamHeader = "X-Fal-User-Id"

// Account is one that a login may act for, as fal's REST host lists it: the
// person's own, a team or an organisation.
type Account struct {
	Nickname   string `json:"nickname"`
	FullName   string `json:"full_name"`
	UserID     string `json:"user_id"`
	IsPersonal bool   `json:"is_personal"`
	IsOrg      bool   `json:"is_org"`
	LockReason string `json:"lock_reason"`
}

// archived is the reason by which the CLI leaves out accounts that are gone.
const archived = "This account has been archived. Please contact support@fal.ai."

// Patience is how long a question for the accounts may take, as at the CLI.
const Patience = 30 * time.Second

const (
	// maxAccounts caps a list, in bytes; a real one has a few hundred for each team.
	maxAccounts = 1 << 20
	// maxName caps a name and an id, in bytes: an id goes into a header of every request.
	maxName = 256
)

// Accounts asks which accounts the login of this access token may act for: the personal one
// first, then by nickname, as the CLI has them. Of hosts, which are of RESTHosts, the next one
// is asked only where the one before is gone: it cannot be reached, or what answers is not
// fal's. client must follow no redirect, and the caller has to know that the token is of
// the issuer whose logins these hosts may see. It takes Patience at most.
func Accounts(ctx context.Context, client *http.Client, hosts []string, access string) ([]Account, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var before error
	for _, rest := range hosts {
		list, err := ask(ctx, client, rest, access)
		var no *noAnswer
		if before != nil && err != nil {
			err = fmt.Errorf("%v; %w", before, err)
		}
		if !errors.As(err, &no) || !no.gone || ctx.Err() != nil {
			return list, err
		}
		before = err
	}
	return nil, before
}

func ask(ctx context.Context, client *http.Client, rest, access string) ([]Account, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rest+"/users/teams", nil)
	if err != nil {
		return nil, fmt.Errorf("%s is not a valid REST host", rest)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	resp, err := client.Do(req)
	if err != nil {
		return nil, &noAnswer{text: fmt.Sprintf("%s cannot be asked for your teams: %s", rest, httpx.Describe(err)), gone: true}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAccounts+1))
	switch {
	case err != nil:
		return nil, &noAnswer{text: fmt.Sprintf("%s did not list your teams: %s", rest, httpx.Describe(err))}
	case len(body) > maxAccounts:
		return nil, &noAnswer{text: rest + " did not list your teams: its answer is longer than 1 MiB"}
	}
	list, said, own := judge(resp.StatusCode, resp.Header, body)
	if len(list) == 0 {
		return nil, noList(rest, said, own)
	}
	return inOrder(list), nil
}

// inOrder is the list without what is archived, as the CLI has it.
func inOrder(list []Account) []Account {
	list = slices.DeleteFunc(list, func(a Account) bool { return a.LockReason == archived })
	slices.SortFunc(list, func(a, b Account) int {
		switch {
		case a.IsPersonal == b.IsPersonal:
			return cmp.Compare(a.Nickname, b.Nickname)
		case a.IsPersonal:
			return -1
		}
		return 1
	})
	return list
}

// usable leaves out what cannot be a header's value, or is no name that somebody could type.
func (a Account) usable() bool {
	return a.Nickname != "" && len(a.Nickname) <= maxName && !strings.ContainsFunc(a.Nickname, unicode.IsControl) && utf8.ValidString(a.Nickname) &&
		a.UserID != "" && len(a.UserID) <= maxName && tokenfile.Printable(a.UserID)
}

// FindAccount takes a nickname as the CLI does: in any case.
func FindAccount(list []Account, nickname string) (Account, bool) {
	for _, a := range list {
		if strings.EqualFold(a.Nickname, nickname) {
			return a, true
		}
	}
	return Account{}, false
}
