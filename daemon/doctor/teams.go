package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/httpx"
)

// examineTeams is about what attributes requests to a team: the fal config, which names it, and
// the REST host, which knows its id.
func examineTeams(ctx context.Context, cfg Config) []Finding {
	findings := examineFalConfig(cfg.FalConfig)
	if cfg.REST == "" || cfg.CheckIssuer() != nil {
		return findings
	}
	return append(findings, examineREST(ctx, cfg)...)
}

func examineFalConfig(config fal.Config) []Finding {
	const check = "fal config"
	if config.Path == "" {
		return []Finding{{Check: check, Result: OK, Text: "there is none here, as for the fal CLI: FAL_CONFIG_PATH is set and empty, or there is no home folder"}}
	}
	var findings []Finding
	if given := os.Getenv("FAL_CONFIG_PATH"); given != "" && given[0] != '~' && !filepath.IsAbs(given) {
		findings = append(findings, Finding{check, Warn,
			"FAL_CONFIG_PATH is relative: here that is " + config.Path + ", and for a daemon it is below the folder that it was started in",
			"give it an absolute path; in falcred.env, for the daemon"})
	}
	if _, err := config.Team(); err != nil {
		text, hint := fsx.Explain(err)
		return append(findings, Finding{check, Fail, text, cmp.Or(hint, "correct that file")})
	}
	if other := config.Others(); other != nil {
		findings = append(findings, Finding{check, Warn, other.Text + ": who can write it chooses the team that requests are attributed to; no REST host is taken from it", other.Hint})
	}
	return findings
}

// examineREST says where accounts are asked for, and what names that host. Where a team is
// chosen, or something names a host, it is asked, without a credential: fal says no to that.
func examineREST(ctx context.Context, cfg Config) []Finding {
	const check = "teams"
	team, err := cfg.FalConfig.Team()
	if err != nil {
		return nil // examineFalConfig says why
	}
	hosts, named, err := cfg.FalConfig.RESTHosts(cfg.REST, cfg.RESTNamed)
	if err != nil {
		text, hint := fsx.Explain(err)
		return []Finding{{check, Fail, text, hint}}
	}
	if named == "" && team == "" {
		return nil
	}
	by := ""
	if named != "" {
		by = ", by " + named
	}
	var gone []string
	for _, host := range hosts {
		why := gonePublicly(ctx, cfg, host)
		switch {
		case why == "" && gone == nil:
			return []Finding{{Check: check, Result: OK, Text: host + " knows a team's id" + by}}
		case why == "":
			return []Finding{{check, Warn, fmt.Sprintf("%s is asked for a team's id, since another host of fal's is gone: %s", host, strings.Join(gone, "; ")),
				"to ask there at once, set FAL_REST_HOST in falcred.env"}}
		}
		gone = append(gone, host+": "+why)
	}
	hint := "check the network"
	if named != "" {
		hint += ", and " + named
	}
	return []Finding{{check, Fail, "a team's id cannot be asked for" + by + ": " + strings.Join(gone, "; "), hint}}
}

// gonePublicly asks without a credential. Why is "" where fal answers.
func gonePublicly(ctx context.Context, cfg Config, host string) (why string) {
	ctx, cancel := context.WithTimeout(ctx, httpx.SideTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host+"/users/teams", nil)
	if err != nil {
		return "it is not a host"
	}
	transport := cfg.Transport
	if transport == nil {
		transport = httpx.NewTransport()
	}
	resp, err := httpx.Client(transport).Do(req)
	if err != nil {
		return httpx.Describe(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, fsx.MaxSmall))
	if !fal.Speaks(resp.StatusCode, resp.Header, body) {
		return fmt.Sprintf("status %d, which is not fal's answer", resp.StatusCode)
	}
	return ""
}
