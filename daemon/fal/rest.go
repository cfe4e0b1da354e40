package fal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/protocol/env"
)

// StandardREST is where fal's accounts are unless something names another host. The CLI asks
// there. Where it is gone, sdkREST is asked, which fal's SDKs speak to.
const (
	StandardREST = "https://rest.alpha.fal.ai"
	sdkREST      = "https://rest.fal.ai"
)

// RESTHost is the URL of the host that knows the accounts, without a path, "" where none
// is to be asked, and what names it: a variable, or "" for StandardREST, before which comes
// what the fal config names (RESTHosts). For logins of fal's issuer it is found as the CLI
// finds it, by getenv. A login of another issuer is shown to no host but the one that file,
// its home's own falcred.env, names by FAL_REST_HOST: what a shell has exported is meant for
// fal's programs.
func RESTHost(getenv func(string) string, file map[string]string, falsIssuer bool) (url, from string, err error) {
	if !falsIssuer {
		getenv = func(name string) string {
			if name == "FAL_REST_HOST" {
				return file[name]
			}
			return ""
		}
	}
	url, from, err = env.RESTHost(getenv)
	if url == "" && err == nil && falsIssuer {
		url = StandardREST
	}
	return url, from, err
}

// RESTHosts are the hosts to ask for accounts, in their order, as URLs: rest, which is
// RESTHost's, if something names it; else the one that the CLI makes of its profile's host; else
// fal's own. from is where the host is named, "" for fal's own. sdkREST follows StandardREST,
// but for FAL_REST_HOST's, which may be for another issuer's login.
func (c Config) RESTHosts(rest, named string) (hosts []string, from string, err error) {
	url, from := rest, named
	if rest == StandardREST && named == "" {
		host, at, err := c.Host()
		if err == nil && host != "" {
			from = at
			url, err = env.RESTOf(at, host)
		}
		if err != nil {
			return nil, at, err
		}
	}
	if url == StandardREST && from != "FAL_REST_HOST" {
		return []string{url, sdkREST}, from, nil
	}
	return []string{url}, from, nil
}

// judge says what an answer to a question for accounts is worth. Everybody has a personal account, so
// that no list at all is no word of fal's, and must not look as if a team were gone. own says
// that it is fal's no, and another host would say the same: an OAuth error, or fal's own form,
// JSON with a detail, by a status that no gateway has for a host that is gone.
func judge(status int, header http.Header, body []byte) (list []Account, said httpx.Answer, own bool) {
	said = httpx.Judge(status, header, body)
	if status == http.StatusOK {
		list = accountsIn(body)
		return list, said, list == nil && said.Code != ""
	}
	var fals struct{ Detail json.RawMessage }
	json.Unmarshal(body, &fals)
	switch status {
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusMisdirectedRequest,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nil, said, false
	}
	return nil, said, said.Code != "" || fals.Detail != nil && status >= 400
}

// accountsIn takes what it can: one odd account spoils no other.
func accountsIn(body []byte) (list []Account) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return nil
	}
	for dec.More() {
		var one json.RawMessage
		if dec.Decode(&one) != nil {
			return nil
		}
		var a Account
		if json.Unmarshal(one, &a) == nil && a.usable() {
			list = append(list, a)
		}
	}
	if _, err := dec.Token(); err != nil { // it was cut
		return nil
	}
	return list
}

// noAnswer is why a host did not list the accounts.
type noAnswer struct {
	text string
	gone bool         // it cannot be reached, or something else speaks in its place
	said httpx.Answer // zero where nothing was answered
}

func (e *noAnswer) Error() string { return e.text }
func (e *noAnswer) Unwrap() error { return e.said }

// noList is why an answer is no list, by who speaks in it (R8).
func noList(rest string, said httpx.Answer, own bool) *noAnswer {
	no := &noAnswer{gone: !own, said: said}
	switch {
	case own && said.Code == "" && said.Status != http.StatusTooManyRequests:
		no.text = fmt.Sprintf("%s did not list your teams: it refuses with status %d", rest, said.Status)
	case said.Status == http.StatusOK && said.Code == "" && said.Type != "text/html":
		no.text = rest + " did not list your teams: its answer is not a list of accounts"
	default:
		no.text = rest + " did not list your teams: " + said.By("it")
	}
	return no
}

// Speaks says whether an answer to a question for the accounts, asked with a credential or
// without, is fal's own word.
func Speaks(status int, header http.Header, body []byte) bool {
	list, _, own := judge(status, header, body)
	return own || len(list) > 0
}
