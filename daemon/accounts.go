package daemon

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
)

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

// falREST is where fal's accounts are, unless FAL_REST_HOST or FAL_HOST says
// otherwise (§2).
const falREST = "https://rest.alpha.fal.ai"

// restURL follows the CLI (§2) for logins of fal's. One of another issuer is shown to
// no host but the one that its home's own falcred.env names (R13): what a shell has
// exported is meant for fal's programs.
func restURL(getenv func(string) string, file map[string]string, issuer string) (string, error) {
	host := getenv("FAL_REST_HOST")
	grpc := getenv("FAL_HOST")
	if issuer != FalIssuer {
		host, grpc = file["FAL_REST_HOST"], ""
	}
	switch {
	case host != "":
	case issuer != FalIssuer:
		return "", nil
	case grpc == "":
		return falREST, nil
	case strings.HasPrefix(grpc, "api"):
		host = "rest" + strings.TrimPrefix(grpc, "api")
	default:
		host = grpc
	}
	address := host
	if !strings.Contains(host, "://") {
		address = "https://" + host
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("FAL_REST_HOST or FAL_HOST is not a host")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return "", errors.New("FAL_REST_HOST must be https, or http on loopback")
	}
	return u.Scheme + "://" + u.Host, nil
}

// archived is the reason by which the CLI leaves out accounts that are gone.
const archived = "This account has been archived. Please contact support@fal.ai."

// maxAccounts caps the list; a real one has a few hundred bytes for each team.
const maxAccounts = 1 << 20

// Accounts asks which accounts the login of cfg's home with this access token may
// act for: the personal one first, then by nickname, as the CLI has them. A token
// that is not of cfg's issuer is not sent (R13).
func Accounts(ctx context.Context, cfg Config, access string) ([]Account, error) {
	if err := cfg.CheckIssuer(); err != nil {
		return nil, err
	}
	return accounts(ctx, newClient(), cfg, access)
}

func accounts(ctx context.Context, client *http.Client, cfg Config, access string) ([]Account, error) {
	if err := cfg.checkToken(access); err != nil {
		return nil, err
	}
	rest := cfg.REST
	ctx, cancel := context.WithTimeout(ctx, sideTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rest+"/users/teams", nil)
	if err != nil {
		return nil, fmt.Errorf("%s is not a host to ask for teams", rest)
	}
	req.Header.Set("Authorization", "Bearer "+access)
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be asked for your teams: %s", rest, plain(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s does not tell your teams: status %d", rest, resp.StatusCode)
	}
	var list []Account
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAccounts)).Decode(&list); err != nil || len(list) == 0 {
		// Everybody has a personal account: no list at all is a gateway's answer,
		// and must not look as if a team were gone.
		return nil, fmt.Errorf("%s does not tell your teams: its answer is no list of accounts", rest)
	}
	list = slices.DeleteFunc(list, func(a Account) bool { return a.LockReason == archived || !usableAccount(a) })
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

// usableAccount leaves out what cannot be a header's value.
func usableAccount(a Account) bool {
	return a.Nickname != "" && a.UserID != "" && visible(a.UserID)
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
