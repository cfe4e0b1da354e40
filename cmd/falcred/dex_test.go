//go:build unix && system

package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/testkit/providers"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// dexLifetime is that of its tokens: falcred refreshes at half of it.
const dexLifetime = 6 * time.Second

// A login at dex by its device flow, refreshes by the daemon, and what becomes
// of a spent token: dex says invalid_request, and R8 keeps everything.
func TestDex(t *testing.T) {
	d := startDex(t)
	login := d.falcred("login", "--no-browser")
	out, err := login.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := login.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var said []string
	for lines.Scan() {
		said = append(said, lines.Text())
		if code, ok := strings.CutPrefix(lines.Text(), "user_code: "); ok {
			d.Confirm(code)
		}
	}
	if err := login.Wait(); err != nil {
		t.Fatalf("login: %v\n%s", err, strings.Join(said, "\n"))
	}
	if text := strings.Join(said, "\n"); !strings.Contains(text, "logged in, Kilgore Trout (kilgore@kilgore.trout)") {
		t.Errorf("it greets nobody:\n%s", text)
	}
	spent, _ := readTokens(d.file)

	stop := d.daemon()
	d.until("two refreshes", func(s protocol.Status) bool { return s.Refreshes >= 2 })
	if now, access := readTokens(d.file); now == spent || access == "" {
		t.Error("the file was not refreshed")
	}
	stop()

	// An old copy of the file, in a home that does not know it: the worst case.
	os.Remove(filepath.Join(d.home, "falcred.json"))
	os.Remove(filepath.Join(d.home, "falcred.consumed"))
	if err := writeTokens(d.file, spent, ""); err != nil {
		t.Fatal(err)
	}
	stop = d.daemon()
	defer stop()
	s := d.until("dex refuses the spent token", func(s protocol.Status) bool { return strings.Contains(s.LastError, "invalid_request") })
	if wait := time.Until(s.NextRefresh); wait < 50*time.Minute {
		t.Errorf("it is tried again in %s, not hourly (R8)", wait)
	}
	if now, _ := readTokens(d.file); now != spent {
		t.Error("the file was touched (R8)")
	}
}

// dex is one running dex, and a home for its login.
type dex struct {
	*testing.T
	*providers.Dex
	issuer, home, file string
}

func startDex(t *testing.T) *dex {
	t.Helper()
	address := providers.FreeAddress(t)
	issuer := "http://" + address + "/dex"
	home := testkit.ShortDir(t)
	return &dex{
		T: t, Dex: providers.StartDex(t, address, issuer, dexLifetime, time.Second),
		issuer: issuer, home: home, file: filepath.Join(home, env.TokenFile),
	}
}

// falcred is this test's own binary, which testscript turns into falcred.
func (d *dex) falcred(args ...string) *exec.Cmd {
	d.Helper()
	self, err := os.Executable()
	if err != nil {
		d.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Args = append([]string{"falcred"}, args...)
	cmd.Stderr = os.Stderr
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.home, "FAL_HOME_DIR=" + d.home, "FALCRED_NOTIFY=0",
		"FALCRED_ISSUER=" + d.issuer, "FALCRED_CLIENT_ID=" + providers.DexClient,
	}
	return cmd
}

func (d *dex) daemon() (stop func()) {
	d.Helper()
	cmd := d.falcred("run", "--log-level", "warn")
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	return func() {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			d.Errorf("falcred run: %v", err)
		}
	}
}

// until waits for a status.
func (d *dex) until(what string, is func(protocol.Status) bool) (s protocol.Status) {
	d.Helper()
	client := &helper.Client{Socket: filepath.Join(d.home, "falcred.sock")}
	defer client.Close()
	came := testkit.Within(testkit.Patience, func() bool {
		var err error
		s, err = client.Status(context.Background())
		return err == nil && is(s)
	})
	if came {
		return s
	}
	d.Fatalf("%s did not come: %+v", what, s)
	return s
}
