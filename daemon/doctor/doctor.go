// Package doctor examines a home, its sockets and its issuer from outside, for
// `falcred doctor`, and says what is wrong in words that somebody who meets it for the first
// time can act on. It asks no daemon, keeps no lock, changes nothing but a mode that let
// others read the token file, and sends no credential anywhere. Another issuer than fal's is
// asked for a login's code, which nobody confirms. What is wrong is a
// [Finding], and no error.
package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/httpx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/socket"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/falcred/falcred/protocol/words"
)

// Examine checks all that can be found out about a home, its sockets and its issuer from
// outside. It asks the issuer for what is public, and for a refresh without a token, for 25 s
// at most, another than fal's four times, and each of fal's REST hosts that matter for 5 s. It
// needs no daemon.
func Examine(ctx context.Context, cfg Config) []Finding {
	findings := append(ExamineHome(cfg.Home), examineNetworkHome(cfg.Home))
	findings = append(findings, examineRoom(cfg.Home)...)
	findings = append(findings, examineLimits()...)
	findings = append(findings, examineSockets(cfg)...)
	if t := strict.As(strict.Folder(cfg.Home)); t == nil { // else nothing there is believed
		if err := cfg.CheckIssuer(); err != nil {
			text, hint, _ := strings.Cut(err.Error(), "\n")
			findings = append(findings, Finding{"home issuer", Fail, text, hint})
		}
		findings = append(findings, examineFile(cfg), examineLock(cfg.Home))
		findings = append(findings, examineOwnFiles(cfg)...)
		if f, ok := examineLifetime(cfg); ok {
			findings = append(findings, f)
		}
		if f, ok := examineCourse(cfg); ok {
			findings = append(findings, f)
		}
	}
	if f, ok := examineClient(cfg); ok {
		findings = append(findings, f)
	}
	if f, ok := examineDoubt(cfg); ok {
		findings = append(findings, f)
	}
	findings = append(findings, examineIssuer(ctx, cfg)...)
	return append(findings, examineTeams(ctx, cfg)...)
}

// ExamineHome checks every folder on the way to the home: who could put something else in
// its place.
func ExamineHome(home string) []Finding {
	problems, err := strict.Examine(home)
	findings := wayFindings("home", problems)
	unknown := peer.KnownUser()
	switch {
	case unknown != nil:
		text, hint, _ := strings.Cut(unknown.Error(), "\n")
		findings = append(findings, Finding{"home", Fail, text, hint})
	case errors.Is(err, fs.ErrNotExist):
		findings = append(findings, Finding{"home", Warn, home + " is not there yet", login.LoginHint})
	case err != nil:
		findings = append(findings, Finding{"home", Fail, err.Error(), "set FAL_HOME_DIR to a folder of yours"})
	case len(findings) == 0:
		f := Finding{Check: "home", Result: OK, Text: home + " is yours"}
		if info, err := disk.Stat(home); err == nil {
			f.Text += modeText(info.Mode())
		}
		findings = append(findings, f)
	}
	return findings
}

// examineSockets looks at the folders of sockets that lie elsewhere (S2).
func examineSockets(cfg Config) (findings []Finding) {
	for _, path := range []string{cfg.Socket, cfg.ShareSocket} {
		if folder := filepath.Dir(path); path != "" && folder != cfg.Home {
			problems, _ := strict.Examine(folder) // one that is not there the daemon names
			findings = append(findings, wayFindings("socket", problems)...)
		}
	}
	return findings
}

func wayFindings(check string, problems []strict.Problem) (findings []Finding) {
	for _, t := range problems {
		f := Finding{check, Fail, t.Text, t.Hint}
		if t.Minor {
			f.Result = Warn
		}
		findings = append(findings, f)
	}
	return findings
}

// examineFile reads the file as the daemon does, and checks what else troubles the other
// programs that share it.
func examineFile(cfg Config) Finding {
	f := Finding{Check: "token file", Result: OK}
	file := tokenfile.In(cfg.Home, nil)
	info, statErr := os.Lstat(file.Path)
	before := fs.FileMode(0)
	if target, err := disk.Stat(file.Path); err == nil {
		before = target.Mode().Perm()
	}
	if errors.Is(statErr, fs.ErrNotExist) {
		return Finding{"token file", Warn, "nobody is logged in: there is no " + file.Path, login.LoginHint}
	}
	r := file.Read()
	if errors.Is(r.Err, tokenfile.ErrFollowed) {
		f.Text = r.Err.Error()
		return f
	}
	switch r.State {
	case tokenfile.Unusable:
		return Finding{"token file", Fail, r.Err.Error(), r.Hint()}
	case tokenfile.Absent:
		return Finding{"token file", Fail, file.Path + " is a link to nowhere", "remove it, then log in: falcred login"}
	case tokenfile.Empty:
		return Finding{"token file", Fail, file.Path + " " + tokenfile.EmptyText, "start falcred, which restores it if it knew the login; else " + login.LoginHint}
	}
	f.Text = file.Path + " holds a login" + modeText(before)
	if before&0o077 != 0 {
		f.Result, f.Hint = Warn, "others could read it, and cannot any more"
		if after, err := disk.Stat(file.Path); err != nil || after.Mode().Perm()&0o077 != 0 {
			f.Hint = "others can read it: " + closing + file.Path
		}
	}
	if info != nil && info.Mode()&fs.ModeSymlink != 0 {
		target, _ := file.Target()
		f.Text += ", by a link to " + target
	}
	if target, err := disk.Stat(file.Path); err == nil && fsx.HardLinks(target) > 1 {
		f.Result, f.Hint = Warn, "it has several hard links and is written in place, so a reader can find it half written: leave one name"
	}
	return f
}

// shortestLifetime is R2's: below it a token refreshed at half of its life (tokenfile's
// halfway) can come into the CLI's margin of 30 minutes.
const shortestLifetime = 70 * time.Minute

func examineLifetime(cfg Config) (Finding, bool) {
	file := tokenfile.In(cfg.Home, nil)
	t := tokenfile.Dated(file.Read().Pair, clock.Now())
	if t.Issued.IsZero() || t.Expires.IsZero() {
		return Finding{}, false
	}
	lifetime := t.Expires.Sub(t.Issued).Round(time.Second)
	if lifetime < shortestLifetime {
		return Finding{"lifetime", Warn, fmt.Sprintf("access tokens live for %s: the fal CLI, which refreshes 30 min before the end, can come before falcred", words.Span(lifetime)),
			"ask the issuer for at least " + words.Span(shortestLifetime)}, true
	}
	return Finding{Check: "lifetime", Result: OK, Text: "access tokens live for " + words.Span(lifetime)}, true
}

// examineLock says who holds .portalock. It takes it for a moment where nobody
// does, and never makes it.
func examineLock(home string) Finding {
	path := filepath.Join(home, tokenfile.LockName)
	if _, err := os.Lstat(path); err != nil {
		return Finding{Check: "lock", Result: OK, Text: "nobody holds " + path}
	}
	lock, err := disk.OpenFile(path, os.O_RDWR|fsx.Nonblock|fsx.NoFollow, 0)
	if err == nil {
		defer lock.Close()
		err = disk.TryLock(lock)
	}
	locked := err == nil
	switch {
	case !locked && !errors.Is(err, syscall.EWOULDBLOCK):
		what, _ := fsx.Explain(strict.NoLink(path, err))
		return Finding{"lock", Warn, path + " cannot be locked: " + what, "falcred sets it aside when it next takes it; or remove it"}
	case fsx.HeldByOthers(path):
		return Finding{"lock", Warn, path + " is held by " + socket.LockHolder(path), "falcred makes the file anew when it next needs it: nothing has to be done"}
	case !locked:
		return Finding{"lock", Warn, path + " is held by " + socket.LockHolder(path), "if it lasts longer than half a minute, end that program"}
	}
	if info, err := disk.Stat(path); err == nil && fsx.Exposed(info) {
		return Finding{"lock", Warn, path + " is one that others can open, and could hold for ever", "falcred makes the file anew when it next takes it; or remove it"}
	}
	return Finding{Check: "lock", Result: OK, Text: "nobody holds " + path}
}

// tolerableDrift is what a clock may be off before tokens and certificates are
// judged wrongly.
const tolerableDrift = time.Minute

// examineIssuer asks for something public.
func examineIssuer(ctx context.Context, cfg Config) []Finding {
	address := issuer.FalKeys
	if cfg.Issuer != issuer.FalIssuer {
		address = issuer.DiscoveryURL(cfg.Issuer)
	}
	first, cancel := context.WithTimeout(ctx, httpx.LookupTimeout+2*httpx.SideTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(first, http.MethodGet, address, nil)
	if err != nil {
		return []Finding{{"issuer", Fail, "FALCRED_ISSUER is not a URL", "give it an https URL"}}
	}
	findings := examineSettings()
	via := ""
	if proxy, err := httpx.ProxyOf(req); err == nil && proxy != nil {
		via = " through the proxy " + (&url.URL{Scheme: proxy.Scheme, Host: proxy.Host}).String()
	}
	transport := httpx.NewTransport()
	resp, err := reach(transport, req)
	findings = append(findings, examineServers(transport)...)
	if err != nil {
		return append(findings, Finding{"issuer", Fail, cfg.Issuer + " cannot be reached" + via + ": " + httpx.Describe(err) + certificate(err), blameless(cfg, reachHint(err, via))})
	}
	if cfg.Issuer != issuer.FalIssuer {
		return append(append(findings, examineProvider(ctx, cfg, via)...), examineClock(resp.Header.Get("Date")))
	}
	answered, issuers := examineKeys(ctx, cfg, via)
	if findings = append(findings, answered); !issuers {
		return findings
	}
	if f, ok := examineRefresh(ctx, cfg, cfg.ClientID); ok {
		findings = append(findings, f)
	}
	return append(findings, examineClock(resp.Header.Get("Date")))
}

func examineClock(date string) Finding {
	theirs, err := http.ParseTime(date)
	if err != nil {
		return Finding{Check: "clock", Result: OK, Text: "the issuer sends no date, so the clocks cannot be compared"}
	}
	drift := time.Since(theirs).Round(time.Second)
	if drift.Abs() > tolerableDrift {
		side, hint := "ahead of", "let this machine set its clock by the network"
		if drift < 0 {
			side = "behind"
		}
		if runtime.GOOS == "linux" {
			hint += ": timedatectl set-ntp true"
		}
		return Finding{"clock", Warn, fmt.Sprintf("this machine's clock is %s %s the issuer's", words.Span(drift.Abs()), side), hint}
	}
	return Finding{Check: "clock", Result: OK, Text: "this machine's clock agrees with the issuer's"}
}

// certificate names the one that fails.
func certificate(err error) string {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var hostname x509.HostnameError
	var cert *x509.Certificate
	switch {
	case errors.As(err, &unknown):
		cert = unknown.Cert
	case errors.As(err, &invalid):
		cert = invalid.Cert
	case errors.As(err, &hostname):
		cert = hostname.Certificate
	}
	if cert == nil {
		return ""
	}
	if time.Now().Before(cert.NotBefore) {
		return fmt.Sprintf(" (certificate of %q, issued by %q, valid from %s on)", cert.Subject.String(), cert.Issuer.String(), cert.NotBefore.Format(time.DateTime))
	}
	return fmt.Sprintf(" (certificate of %q, issued by %q, valid until %s)", cert.Subject.String(), cert.Issuer.String(), cert.NotAfter.Format(time.DateOnly))
}
