package doctor

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
)

// examineKeys says who answers for fal's issuer: by a set of keys the issuer itself, by anything
// else a captive portal, a proxy or a gateway in its place (R8).
func examineKeys(ctx context.Context, cfg Config, via string) (f Finding, issuers bool) {
	err := issuer.New(cfg.Issuer, cfg.ClientID, cfg.Transport).Ping(ctx)
	if err == nil {
		return Finding{Check: "issuer", Result: OK, Text: fmt.Sprintf("%s answers%s", cfg.Issuer, via)}, true
	}
	text, hint, _ := strings.Cut(err.Error(), "\n")
	return Finding{"issuer", Fail, cfg.Issuer + " does not answer" + via + ": " + text, cmp.Or(hint, httpx.Said(err).Hint(), httpx.PassesHint)}, false
}

// examineRefresh says what a refresh would meet: what lets everybody read the issuer's keys need
// not let anybody refresh. No token is sent. ok is false where there is nothing to say.
func examineRefresh(ctx context.Context, cfg Config, client string) (f Finding, ok bool) {
	err := issuer.New(cfg.Issuer, client, cfg.Transport).Probe(ctx)
	if err == nil {
		return f, false
	}
	text, hint, _ := strings.Cut(err.Error(), "\n")
	said := httpx.Said(err)
	f = Finding{"refresh", Fail, text, hint}
	if said.Status == http.StatusTooManyRequests || said.Status >= 500 {
		f.Result = Warn // some issuers meet a request without a token like that
	}
	return f, true
}
