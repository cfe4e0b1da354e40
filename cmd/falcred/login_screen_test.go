//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

const anyCode = `shows the code \x1b\[1m([A-Z]{4}-[A-Z]{4})`

// confirm is the person in the browser.
func (s *screen) confirm() {
	s.Helper()
	testkit.Must(s, s.idp.Approve(s.until(anyCode)[1], "auth0|ada"))
}

// count is how many rows of the screen have that text.
func (s *screen) count(text string) (n int) {
	for _, line := range s.vt.seen() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// countsDown reports whether one line of the screen does, the last. It may just be written anew; one
// that was left behind stays.
func (s *screen) countsDown() bool {
	return testkit.Within(testkit.Patience, func() bool {
		seen := s.vt.seen()
		return s.count("waiting for") == 1 && strings.Contains(seen[len(seen)-1], "waiting for")
	})
}

// At each size the screen has one line that moves, the whole address and the code, and a
// whole QR code or none; and after the window has changed, too.
func TestLoginFitsTheScreen(t *testing.T) {
	for _, tt := range []struct {
		rows, columns int
		qr            bool
		again         []int // the columns of the window afterwards
	}{
		{24, 80, true, []int{60, 50, 80}},
		{15, 60, false, []int{40, 120}},
		{23, 80, false, []int{59, 58, 57}},
		{40, 120, true, []int{30, 120, 20}},
		{40, 36, false, []int{20, 36}},
	} {
		t.Run(fmt.Sprintf("%dx%d", tt.columns, tt.rows), func(t *testing.T) {
			t.Parallel()
			s := newScreen(t, tt.rows, tt.columns)
			s.start(nil, "login", "--no-browser")
			s.until(`the code is good for 14:58|waiting for your.*waiting for your.*waiting for your.*waiting for your.*waiting for your`)
			seen := s.vt.seen()
			if !s.countsDown() {
				t.Errorf("not one line counts down:\n%s", strings.Join(seen, "\n"))
			}
			drawn := 0 // its left upper and lower ends: where both are seen, so is what is between
			for _, line := range seen {
				if strings.HasPrefix(line, "    █▀▀▀▀▀█") {
					drawn++
				}
			}
			if tt.qr != (drawn == 2) || !tt.qr && drawn != 0 || s.count("shows the code") != 1 || s.count("Open this address") != 1 {
				t.Errorf("the QR code has %d of its 2 ends, wanted %v:\n%s", drawn, tt.qr, strings.Join(seen, "\n"))
			}
			if strings.Contains(s.shown(), "▀▀▀▀▀") != tt.qr {
				t.Error("a QR code was drawn that is not seen")
			}
			for _, columns := range tt.again {
				s.resize(tt.rows, columns)
				before := len(s.shown())
				if !testkit.Within(testkit.Patience, func() bool { return strings.Count(s.shown()[before:], "waiting for") > 3 }) {
					t.Fatal("it moves no more")
				}
				if !s.countsDown() {
					t.Errorf("in %d columns not one line counts down:\n%s", columns, strings.Join(s.vt.seen(), "\n"))
				}
			}
			s.confirm()
			s.types("Enter keeps", "\n")
			s.wantsNoService()
			if got := s.ends(); got != 0 || s.count("waiting for") != 0 {
				t.Errorf("exit status %d\n%s", got, strings.Join(s.vt.seen(), "\n"))
			}
		})
	}
}

// D3: who is logged in is asked before another login takes that one's place. The first login is
// the issuer's to keep.
func TestLoginAgainIsAsked_D3(t *testing.T) {
	const question = `Log in again\? \[y/N\] `
	for answer, wantExit := range map[string]int{"\n": 0, "n\n": 0, "what\nno\n": 0, "\x04": 0, "\x03": exitInterrupted} {
		t.Run(fmt.Sprintf("%q", answer), func(t *testing.T) {
			t.Parallel()
			s := newScreen(t, 24, 80)
			before := s.login()
			s.start(nil, "login", "--no-browser")
			s.until(`is logged in here`)
			s.types(question, answer)
			if got := s.ends(); got != wantExit || !strings.Contains(s.shown(), "nothing was changed") || strings.Contains(s.shown(), "Open this") {
				t.Errorf("exit status %d\n%s", got, s.shown())
			}
			if now, _ := readTokens(filepath.Join(s.home, env.TokenFile)); now != before || !s.idp.Alive(before) {
				t.Error("the login is another one")
			}
		})
	}
	t.Run("yes", func(t *testing.T) {
		t.Parallel()
		s := newScreen(t, 24, 60)
		before := s.login()
		s.start(nil, "login", "--no-browser")
		s.types(question, "y\n")
		s.types(`As another account\?`, "\n")
		s.confirm()
		s.types("Enter keeps", "\n")
		s.wantsNoService()
		if got := s.ends(); got != 0 || strings.Contains(s.shown(), "/v2/logout") {
			t.Errorf("exit status %d\n%s", got, s.shown())
		}
		if now, _ := readTokens(filepath.Join(s.home, env.TokenFile)); now == before || !s.idp.Alive(now) || !s.idp.Alive(before) {
			t.Error("the new login is not there, or the first one was revoked")
		}
		for _, line := range s.vt.seen() { // a terminal would break words
			if len(line) == 60 && !strings.Contains(line, "/") {
				t.Errorf("a line wraps: %q", line)
			}
		}
	})
	// Nobody is there to be asked: standard input is no terminal.
	t.Run("from a script", func(t *testing.T) {
		t.Parallel()
		s := newScreen(t, 24, 80)
		s.keyless = true
		s.login()
		s.start(nil, "login", "--no-browser")
		s.until(`is logged in here`)
		s.confirm()
		s.until(`nothing keeps it fresh yet: .*falcred (service install|run)`)
		if got := s.ends(); got != 0 || strings.Contains(s.shown(), "[y/N]") || strings.Contains(s.shown(), "Enter keeps") {
			t.Errorf("exit status %d\n%s", got, s.shown())
		}
	})
}

// C8: the browser logs out before the page for the login opens, once somebody has said so.
func TestAnotherAccount_C8(t *testing.T) {
	for name, args := range map[string][]string{"by a flag": {"login", "--switch-account"}, "by an answer": {"login"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScreen(t, 24, 80)
			s.login()
			seen := filepath.Join(t.TempDir(), "seen")
			browser := filepath.Join(t.TempDir(), "browser")
			testkit.Must(t, os.WriteFile(browser, []byte("#!/bin/sh\necho \"$1\" >>'"+seen+"'\n"), 0o700))
			s.start([]string{"BROWSER=" + browser}, args...)
			if len(args) == 1 {
				s.types(`Log in again\? \[y/N\] `, "y\n")
				s.types(`As another account\? Then your browser logs out first\. \[y/N\] `, "y\n")
			}
			s.until(`http://127\.0\.0\.1:\d+/v2/logout\?client_id=test-client`)
			s.until(`Press Enter when it has logged out: `)
			opened := func() string { data, _ := os.ReadFile(seen); return string(data) }
			if !testkit.Within(testkit.Patience, func() bool { return strings.Count(opened(), "\n") == 1 }) || strings.Contains(s.shown(), "Open this") {
				t.Fatalf("opened %q\n%s", opened(), s.shown())
			}
			s.keys.WriteString("\n")
			s.confirm()
			if !testkit.Within(testkit.Patience, func() bool { return strings.Count(opened(), "\n") == 2 }) {
				t.Fatalf("opened %q", opened())
			}
			if lines := strings.Split(opened(), "\n"); lines[0] != s.idp.URL+"/v2/logout?client_id="+testClient || !strings.Contains(lines[1], "/activate?user_code=") {
				t.Errorf("opened %q", lines)
			}
			s.types("Enter keeps", "\n")
			s.wantsNoService()
			if got := s.ends(); got != 0 {
				t.Errorf("exit status %d\n%s", got, s.shown())
			}
		})
	}
}

// A5: who says yes has it installed, by the command that is named. This issuer is named by the
// shell alone, and falcred lies in a temporary folder: both are refused before anything is written.
func TestServiceIsOffered_A5(t *testing.T) {
	t.Parallel()
	s := newScreen(t, 24, 80)
	s.start(nil, "login", "--no-browser")
	s.confirm()
	s.types("Enter keeps", "\n")
	asked := s.wantsNoService()
	if got := s.ends(); got != 0 {
		t.Fatalf("exit status %d\n%s", got, s.shown())
	}
	if !asked {
		t.Skip("no service can be installed here")
	}
	for _, answer := range []string{"\n", "y\n"} {
		s := newScreen(t, 24, 80)
		s.start([]string{"XDG_CONFIG_HOME=" + t.TempDir()}, "login", "--no-browser")
		s.confirm()
		s.types("Enter keeps", "\n")
		s.types(`Install the service\? \[Y/n\] `, answer)
		s.until(`temporary folder`)
		s.until(`you are logged in, but the service was not installed`)
		s.until(`try again: .*falcred service install`)
		if got := s.ends(); got != exitFailure {
			t.Errorf("exit status %d\n%s", got, s.shown())
		}
		if refresh, _ := readTokens(filepath.Join(s.home, env.TokenFile)); !s.idp.Alive(refresh) {
			t.Error("the login in the file is not alive")
		}
	}
}
