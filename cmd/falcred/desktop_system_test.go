//go:build linux && system

package main

import (
	"path/filepath"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

// S12: a real desktop shows the end of a login whose daemon was started on demand, until
// somebody has logged in again.
func TestARealDesktop_S12(t *testing.T) {
	l := newLife(t, "")
	l.runtime = testkit.ShortDir(t)
	screen := testkit.StartScreen(t, l.runtime)
	out, code := l.run("falcred", "login")
	l.wants(out, code, "logged in")
	access := l.token()
	refresh, _ := readTokens(filepath.Join(l.home, env.TokenFile))
	l.issuer.RevokeFamily(refresh)
	l.ask(`get {"ServerURL":"https://fal.run","Rejected":"` + access + `"}`)
	screen.Shows(1)
	out, code = l.run("falcred", "login")
	l.wants(out, code, "logged in")
	screen.Shows(0)
}
