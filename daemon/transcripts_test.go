//go:build linux || darwin

package daemon

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

// The transcripts of protocol/README.md, line by line, against a real daemon.
func TestTranscripts_Section4(t *testing.T) {
	page, err := os.ReadFile("../protocol/README.md")
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, idp.Config{})
	h.cfg.Version = "1.2.3"
	h.run()
	verbs := map[string]bool{}
	for i, block := range strings.Split(string(page), "\n```\n") {
		if i%2 == 1 {
			h.replay(block, verbs)
		}
	}
	for _, verb := range []string{"get", "list", "store", "erase", "version", "watch", "stop"} {
		if !verbs[verb] {
			t.Errorf("no transcript shows %s", verb)
		}
	}
}

func (h *house) replay(block string, verbs map[string]bool) {
	h.Helper()
	c := h.dial()
	defer c.Close()
	for line := range strings.SplitSeq(block, "\n") {
		mark, text, _ := strings.Cut(line, " ")
		switch mark {
		case ">":
			verb, _, _ := strings.Cut(text, " ")
			verbs[verb] = true
			c.send(h.secrets(text) + "\n")
		case "<":
			h.wantAnswer(c.line(), text)
		case "*":
			h.happens(text)
		default:
			h.Fatalf("a transcript has the line %q", line)
		}
	}
}

// secrets puts tokens where the page has words for them.
func (h *house) secrets(text string) string {
	if strings.Contains(text, "REFRESH") {
		refresh, _, _ := h.idp.Login("ann")
		text = strings.ReplaceAll(text, "REFRESH", refresh)
	}
	return strings.ReplaceAll(text, "ACCESS", h.tokens().Access)
}

func (h *house) wantAnswer(got, want string) {
	h.Helper()
	pattern := regexp.QuoteMeta(strings.ReplaceAll(want, "ACCESS", h.tokens().Access))
	pattern = "^" + strings.ReplaceAll(pattern, "…", `(?:[^"\\]|\\.)*`) + "$"
	if !regexp.MustCompile(pattern).MatchString(got) {
		h.Errorf("the daemon answers\n%s\nand the page says\n%s", got, want)
	}
}

func (h *house) happens(what string) {
	h.Helper()
	switch what {
	case "another program writes a login":
		h.signIn("bob")
	case "falcred logout":
		if err := h.dial().ask("erase "+protocol.DefaultServer, nil); err != nil {
			h.Error(err)
		}
	default:
		h.Fatalf("the page has something happen that the test cannot do: %s", what)
	}
}
