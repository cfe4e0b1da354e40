//go:build system && unix

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// earlierCommit is the version that this one is an upgrade of.
const earlierCommit = "edb6794"

// TestEarlierVersion_F5: a home of the version before is opened, upgraded, and opened
// by that version again, without loss: the login lives, and no old copy is sent by the
// one that knows it.
func TestEarlierVersion_F5(t *testing.T) {
	earlier := buildEarlier(t)
	issuer := testkit.StartIssuer(t, idp.Config{Lifetime: 2 * time.Second})
	h := &upgraded{testkit.NewHouseOf(t, issuer.URL)}
	h.IDP = issuer
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	refresh, _, _ := issuer.Login("ann")
	h.WriteFile(refresh)
	old := []string{refresh}
	for _, program := range []string{earlier, self, earlier, self} {
		for _, refresh := range []string{old[0], old[len(old)-1]} {
			h.run(program, refresh)
		}
		now, _ := readTokens(h.File)
		old = append(old, now)
	}
	if n := issuer.Stats().ReuseDetections; n != 0 {
		t.Errorf("%d reuse detections", n)
	}
}

// upgraded is a home that several versions use in turn.
type upgraded struct {
	*testkit.House
}

// run lets a daemon of that version refresh twice, and has an old copy put back under
// it: the living login takes its place.
func (h *upgraded) run(program, old string) {
	h.Helper()
	cmd := exec.Command(program, "run", "--log-level", "warn")
	cmd.Args[0] = "falcred"
	cmd.Stderr = os.Stderr
	cmd.Env = h.Env()
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			h.Errorf("%s: %v", program, err)
		}
	}()
	h.until("two refreshes", func(s protocol.Status) bool { return s.Refreshes >= 2 })
	h.WriteFile(old)
	h.until("the living login is back", func(protocol.Status) bool {
		now, _ := readTokens(h.File)
		return now != old && h.IDP.Alive(now)
	})
}

func (h *upgraded) until(what string, is func(protocol.Status) bool) {
	h.Helper()
	client := &helper.Client{Socket: h.Sock}
	defer client.Close()
	if err := until(what, func() bool {
		s, err := client.Status(context.Background())
		return err == nil && is(s)
	}); err != nil {
		h.Fatal(err)
	}
}

// buildEarlier builds the version before from this repository's own history.
func buildEarlier(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	binary := filepath.Join(folder, "falcred")
	for _, command := range []string{
		`git -C "$(git rev-parse --show-toplevel)" archive ` + earlierCommit + ` | tar -x -C "$1"`,
		`cd "$1" && go build -buildvcs=false -o "$2" ./cmd/falcred`,
	} {
		cmd := exec.Command("sh", "-c", "set -e\n"+command, "sh", folder, binary)
		out, err := cmd.CombinedOutput()
		if err == nil {
			continue
		}
		if strings.Contains(command, "git") {
			testkit.Missing(t, "the history, to build the version before from: ", string(out))
		}
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
