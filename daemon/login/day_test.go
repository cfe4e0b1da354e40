package login

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/packaging/service"
)

// A day as an administrator finds it in the journal: packaging/README.md shows it, and this test is
// what it is compared with.
func TestADayInTheJournal(t *testing.T) {
	manyDays(t)
	var mu sync.Mutex
	var day strings.Builder
	write := func(text string, p journal.Priority, fields map[string]string) error {
		mu.Lock()
		defer mu.Unlock()
		names := map[journal.Priority]string{journal.PriErr: "err", journal.PriWarning: "warning", journal.PriInfo: "info"}
		fmt.Fprintf(&day, "%s %-7s %s\n", time.Now().UTC().Format("15:04"), names[p], text)
		if p != journal.PriInfo && fields["FALCRED_CAUSE"] == "" {
			t.Errorf("a warning without a cause: %s", text)
		}
		return nil
	}
	inBubble(t, idp.Config{Lifetime: 6 * time.Hour, Teams: acme}, func(w *world) {
		w.handler = service.Journal{Level: slog.LevelInfo, Send: write}
		w.start()
		w.Note(events.Started, "v1.4.0")
		w.pass(8 * time.Hour)
		login, _, _ := w.idp.Login("auth0|ann")
		w.write(login)
		w.pass(time.Hour)
		team := filepath.Join(w.home, "config.toml")
		testkit.Must(t, os.WriteFile(team, []byte("[__internal__]\nteam = 'acme'\n"), 0o600))
		w.pass(10 * time.Minute)
		testkit.Must(t, os.WriteFile(team, []byte("[__internal__]\n"), 0o600))
		w.pass(110 * time.Minute) // eleven o'clock
		w.net.Set(syscall.ENETUNREACH, false)
		w.pass(4 * time.Hour)
		w.net.Set(nil, false)
		w.pass(time.Hour)
		w.idp.RevokeFamily(w.inFile().Refresh)
		w.pass(6 * time.Hour)
		w.signIn("auth0|ann")
		w.pass(time.Minute)
		w.stop()
		w.Note(events.Stopped, "")
	})
	page, err := os.ReadFile("../../packaging/README.md")
	testkit.Must(t, err)
	if got := day.String(); !strings.Contains(strings.ReplaceAll(string(page), "\r\n", "\n"), "```\n"+got+"```\n") {
		t.Errorf("packaging/README.md does not show the day as it is:\n%s", got)
	}
}
