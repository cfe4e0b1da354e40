package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// examineProvider asks an issuer that is not fal's for what a login and a refresh need of
// it: its discovery document, its token endpoint, and a code, which nobody confirms. None of
// that carries a credential. Each has the time of one request.
func examineProvider(ctx context.Context, cfg Config, via string) []Finding {
	p := issuer.New(cfg.Issuer, cfg.ClientID, cfg.Transport)
	within := func(check string, ask func(context.Context) error) (Finding, bool) {
		ctx, cancel := context.WithTimeout(ctx, 2*httpx.SideTimeout)
		defer cancel()
		err := ask(ctx)
		if err == nil {
			return Finding{}, true
		}
		text, hint, _ := strings.Cut(err.Error(), "\n")
		return Finding{check, Fail, text, hint}, false
	}
	f, ok := within("issuer", func(ctx context.Context) error {
		_, err := p.Discover(ctx)
		return err
	})
	if !ok {
		return []Finding{f}
	}
	findings := []Finding{{Check: "issuer", Result: OK, Text: fmt.Sprintf("%s answers%s", cfg.Issuer, via)}}
	own, _ := clientOf(cfg)
	if f, ok := examineRefresh(ctx, cfg, cmp.Or(own, cfg.ClientID)); ok {
		findings = append(findings, f)
	}
	f, ok = within("new login", func(ctx context.Context) error {
		_, err := p.Authorize(ctx, cfg.Scopes, cfg.Audience, "")
		return err
	})
	if !ok {
		f.Result = Warn // the one that is here goes on
		findings = append(findings, f)
	}
	return findings
}

// clientOf is the client of the login that is here, "" where it is not known.
func clientOf(cfg Config) (string, error) {
	l, err := journal.Load(cfg.Home)
	return l.ClientOf(tokenfile.In(cfg.Home, nil).Read().Pair), err
}

// examineClient says whom a login belongs to where another client is named (R13). ok is
// false where there is nothing to say.
func examineClient(cfg Config) (f Finding, ok bool) {
	own, err := clientOf(cfg)
	named := os.Getenv("FALCRED_CLIENT_ID")
	if err != nil || own == "" || named == "" || own == named {
		return Finding{}, false
	}
	return Finding{"client", Warn, fmt.Sprintf("the login was made with client %q, as which it is refreshed and revoked; FALCRED_CLIENT_ID names %q", journal.Bounded(own), named),
		"for a login with that one: falcred login; else unset FALCRED_CLIENT_ID"}, true
}
