package fal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

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

// standardREST is where fal's accounts are, unless FAL_REST_HOST or FAL_HOST says
// otherwise.
const standardREST = "https://rest.alpha.fal.ai"

// RESTHost is the URL of the host that knows the accounts, without a path, "" where
// none is to be asked. For logins of fal's issuer it is found as the CLI finds it, by
// getenv. A login of another issuer is shown to no host but the one that file, its home's own
// falcred.env, names: what a shell has exported is meant for fal's programs.
func RESTHost(getenv func(string) string, file map[string]string, falsIssuer bool) (string, error) {
	host := getenv("FAL_REST_HOST")
	falHost := getenv("FAL_HOST")
	if !falsIssuer {
		host, falHost = file["FAL_REST_HOST"], ""
	}
	switch {
	case host != "":
	case !falsIssuer:
		return "", nil
	case falHost == "":
		return standardREST, nil
	case strings.HasPrefix(falHost, "api"):
		host = "rest" + strings.TrimPrefix(falHost, "api")
	default:
		host = falHost
	}
	address := host
	if !strings.Contains(host, "://") {
		address = "https://" + host
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("FAL_REST_HOST or FAL_HOST is not a host")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && httpx.Loopback(u.Hostname())) {
		return "", errors.New("FAL_REST_HOST must be https, or http on loopback")
	}
	return u.Scheme + "://" + u.Host, nil
}

// archived is the reason by which the CLI leaves out accounts that are gone.
const archived = "This account has been archived. Please contact support@fal.ai."

// maxAccounts caps the list; a real one has a few hundred bytes for each team.
const maxAccounts = 1 << 20

// Accounts asks rest, which is of RESTHost, which accounts the login of this access
// token may act for: the personal one first, then by nickname, as the CLI has them.
// client must follow no redirect, and the caller has to know that the token is of the
// issuer whose logins rest may see. It takes httpx.SideTimeout at most.
func Accounts(ctx context.Context, client *http.Client, rest, access string) ([]Account, error) {
	ctx, cancel := context.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rest+"/users/teams", nil)
	if err != nil {
		return nil, fmt.Errorf("%s is not a valid REST host", rest)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be asked for your teams: %s", rest, httpx.Describe(err))
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAccounts)) // what was cut is no list
	var list []Account
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &list) != nil || len(list) == 0 {
		// Everybody has a personal account: no list at all must not look as if a team were gone.
		return nil, noList(rest, httpx.Judge(resp.StatusCode, resp.Header, body), body)
	}
	list = slices.DeleteFunc(list, func(a Account) bool { return a.LockReason == archived || !a.usable() })
	slices.SortFunc(list, func(a, b Account) int {
		switch {
		case a.IsPersonal == b.IsPersonal:
			return cmp.Compare(a.Nickname, b.Nickname)
		case a.IsPersonal:
			return -1
		}
		return 1
	})
	return list, nil
}

// noList says who gave another answer than a list (R8). The host itself has errors with a
// detail, where an issuer's have an error.
func noList(rest string, said httpx.Answer, body []byte) error {
	var own struct{ Detail json.RawMessage }
	json.Unmarshal(body, &own)
	switch {
	case own.Detail != nil && said.Status >= 400 && said.Status < 500 && said.Status != http.StatusTooManyRequests:
		return fmt.Errorf("%s did not list your teams: it refuses with status %d", rest, said.Status)
	case said.Status == http.StatusOK && said.Type != "text/html":
		return fmt.Errorf("%s did not list your teams: its answer is not a list of accounts", rest)
	}
	return fmt.Errorf("%s did not list your teams: %w", rest, said)
}

// usable leaves out what cannot be a header's value.
func (a Account) usable() bool {
	return a.Nickname != "" && a.UserID != "" && tokenfile.Printable(a.UserID)
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
