package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/doctor"
)

// networkVariables say how an issuer is reached.
var networkVariables = []string{
	"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// examineWay compares the daemon's way to the issuer with this shell's, and makes one
// finding of the two: the daemon tells of its last try, in its own environment, and doctor
// of now, in the shell's.
func examineWay(findings []doctor.Finding, shell func(string) string, cfg daemon.Config, running bool) []doctor.Finding {
	missing := missingAtHome(shell, cfg.EnvFile)
	put := "put it into " + filepath.Join(cfg.Home, "falcred.env") + ofPrivate
	here := slices.IndexFunc(findings, func(f doctor.Finding) bool { return f.Check == "refresh" }) // there only where one would fail
	if here < 0 {
		here = slices.IndexFunc(findings, func(f doctor.Finding) bool { return f.Check == "issuer" })
	}
	theirs := slices.IndexFunc(findings, func(f doctor.Finding) bool { return f.Check == "login" && unreached(f.Text) })
	switch {
	case here < 0:
	case theirs >= 0 && findings[here].Result == doctor.OK:
		f := &findings[theirs]
		f.Text = "at its last try the daemon met this: " + f.Text + "; from here the issuer answers"
		f.Hint = "nothing to do: the daemon tries again within a minute"
		if missing != "" {
			f.Hint = "this shell has " + missing + ", and the daemon may not: " + put + ", then: falcred restart"
		}
	case theirs >= 0: // one finding: doctor's own words, with what to do, are enough
		findings[here].Text += " (the daemon met the same at its last try)"
		findings = slices.Delete(findings, theirs, theirs+1)
	case !running && missing != "":
		findings = append(findings, doctor.Finding{Check: "settings", Result: doctor.Warn,
			Text: missing + " is set here and not in falcred.env: a daemon that docker-credential-fal or a service manager starts does not get it", Hint: put})
	}
	return findings
}

// unreached knows the daemon's words for an issuer that it did not get a connection to, or whose
// word it did not get.
func unreached(text string) bool {
	return slices.ContainsFunc([]string{
		"the issuer cannot be reached: ", "discovery at ",
		"something between this machine and the issuer answers: ", "the issuer, or a gateway before it, ",
	}, func(words string) bool { return strings.HasPrefix(text, words) })
}

// missingAtHome names the first of these variables that this shell has and falcred.env has not.
func missingAtHome(shell func(string) string, file map[string]string) string {
	for _, name := range networkVariables {
		if _, there := file[name]; shell(name) != "" && !there {
			return name
		}
	}
	return ""
}
