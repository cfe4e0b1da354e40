package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
)

// maxPublic caps what is public at an issuer: its discovery document, or its keys.
const maxPublic = 512 << 10

// examineAnswer says who has answered the question for something public: a captive portal, a
// proxy or a gateway can do so in the issuer's place (R8). issuers says that it was the issuer.
func examineAnswer(cfg Config, resp *http.Response, via string) (f Finding, issuers bool) {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxPublic))
	var document map[string]json.RawMessage
	json.Unmarshal(body, &document)
	if resp.StatusCode == http.StatusOK && (document["issuer"] != nil || document["keys"] != nil) {
		return Finding{Check: "issuer", Result: OK, Text: fmt.Sprintf("%s answers%s", cfg.Issuer, via)}, true
	}
	said := httpx.Judge(resp.StatusCode, resp.Header, body)
	hint := cmp.Or(said.Hint(), "falcred tries again; if it lasts, ask whoever runs this network")
	return Finding{"issuer", Fail, cfg.Issuer + " does not answer" + via + ": " + said.By("it"), hint}, false
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
