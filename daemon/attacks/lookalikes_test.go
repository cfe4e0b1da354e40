//go:build linux && system

package attacks

import (
	"fmt"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
)

// §4: at neither end is anything given for a host that only looks like fal's.
func TestLookAlikes(t *testing.T) {
	t.Parallel()
	s := newScene(t, idp.Config{})
	access := ""
	s.login(0)
	s.serve()
	access = s.served()
	s.issuer.secrets.add(plantedKey[7:])
	for _, server := range lookAlikes {
		for _, request := range []string{"get " + server, fmt.Sprintf(`get {"ServerURL":%q}`, server), fmt.Sprintf(`get {"ServerURL":%q,"ForceUser":true,"MinValid":1}`, server),
			fmt.Sprintf(`store {"ServerURL":%q,"Username":"<token>","Secret":"x"}`, server), "erase " + server} {
			if err := s.Ask(request, nil); err == nil {
				t.Errorf("the daemon grants %q", request)
			}
		}
		for _, key := range []string{"", plantedKey} {
			for _, input := range []string{server, fmt.Sprintf(`{"uri":%q}`, server)} {
				cmd := s.command("docker-credential-fal", "get")
				cmd.Env = append(cmd.Env, "FAL_KEY="+key)
				out, code := s.finish(cmd, input)
				if code == 0 || strings.Contains(out, access) {
					t.Errorf("docker-credential-fal answers for %q", input)
				}
				s.wantNoLeakIn(out)
			}
		}
	}
	if _, err := s.get(); err != nil || s.issuer.Stats().Revocations > 0 {
		t.Errorf("the login is gone: %v", err)
	}
	table.Report(t, "hosts that look like fal's, asked for at the socket (get, store, erase) and at docker-credential-fal (login and key)",
		fmt.Sprintf("%d forms", len(lookAlikes)), "none answered")
}

// lookAlikes are what parsers are known to disagree about.
var lookAlikes = strings.Split(strings.Join([]string{
	"fal.run.example.com", "https://fal.run.example.com", "https://fal.run@example.com", "https://fal.run:443@example.com", "https://user@fal.run",
	"https://user:pass@fal.run", "https://@fal.run", "https://example.com@fal.run", "https://example.com/fal.run", "https://example.com?fal.run",
	"https://example.com#fal.run", "https://example.com/https://fal.run", "https://example.com\\@fal.run", "https://fal.run\\@example.com",
	"https://fal.run\\.example.com", "https:\\\\fal.run", "https:/fal.run", "https:fal.run", "//fal.run", "https:///fal.run",
	"https://notfal.run", "https://fal-run", "https://falrun", "https://fal.runs", "https://fal.run.", "https://.fal.run", "https://a..fal.run",
	"https://fal..run", "https://-a.fal.run", "https://a-.fal.run", "https://a_b.fal.run", "https://*.fal.run", "https://fal.run:80", "https://fal.run:8443",
	"https://fal.run:", "https://fal.run:0443", "https://fal.run:+443", "https://fal.run:443:443", "https://fal.run:99999", "https://fal.run:443x",
	"fal.run:80", "fal.run/x", "http://fal.run", "ws://fal.run", "ftp://fal.run", "file://fal.run", "javascript://fal.run", "httpss://fal.run",
	"https://https://fal.run", "https://%66al.run", "https://fal%2erun", "https://fal.run%00.example.com", "https://fal.run%2f.example.com",
	"https://fal.run .example.com", "https://fal.run\x01.example.com", "https://fal.run\x7f", "https://f\u0430l.run", "https://\uff46\uff41\uff4c.run", "https://fal\u3002run",
	"https://fal.run\u200b", "https://fal\u00ad.run", "https://\u202efal.run", "https://fal.a\u0131", "https://xn--fl-7kc.run.example.com", "https://127.0.0.1", "https://2130706433",
	"https://[::1]", "https://[fal.run]", "https://fal.run,example.com", "https://fal.run;example.com", "https://fal.run&x", "https://localhost", "https://fal.dev",
	"https://fal.com", "https://fal.ai.run.example", "https://fal\u2024run", "https://\ufb01al.run",
}, "\n"), "\n")
