// Package packaging holds the files that service managers read, so that
// `falcred service install` and the packages share one text.
package packaging

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed systemd/falcred.service systemd/falcred.socket systemd/falcred@.service launchd/falcred.plist windows/falcred.xml
var files embed.FS

// Unit is what varies in a unit of systemd. The texts are raw: they are quoted
// where they are put in.
type Unit struct {
	Name   string            // of the unit, without its suffix
	Home   string            // a login's home that is not the standard one, or ""
	Exec   string            // absolute path of falcred
	Socket string            // absolute path
	Env    map[string]string // for the daemon
}

// PackagedExec is where the packages put falcred.
const PackagedExec = "/usr/bin/falcred"

// Packaged is the user's service as packages install it, for everybody: %h is
// each one's own home.
func Packaged() (service, socket string, err error) {
	return both(values{"Name": "falcred", "Of": "", "Exec": PackagedExec, "Socket": "%h/.fal/falcred.sock", "Everybody": "yes", "Environment": ""})
}

// PackagedSystem is falcred@.service as packages install it.
func PackagedSystem() (string, error) { return System(PackagedExec) }

// System is falcred@.service for that program.
func System(exec string) (string, error) {
	return fill("systemd/falcred@.service", values{"Exec": quoteExec(exec)})
}

// User is the service and the socket of one home.
func User(u Unit) (service, socket string, err error) {
	v := values{"Name": u.Name, "Of": "", "Exec": quoteExec(u.Exec), "Socket": escape(u.Socket), "Everybody": ""}
	if u.Home != "" {
		v["Of"] = " in " + escape(u.Home)
	}
	var environment []string
	for _, name := range sortedKeys(u.Env) {
		environment = append(environment, "Environment="+quote(name+"="+u.Env[name]))
	}
	v["Environment"] = strings.Join(environment, "\n")
	return both(v)
}

func both(v values) (service, socket string, err error) {
	if service, err = fill("systemd/falcred.service", v); err != nil {
		return "", "", err
	}
	socket, err = fill("systemd/falcred.socket", v)
	return service, socket, err
}

// escape keeps systemd from taking a % for a specifier. A line break cannot be
// kept out by quoting: Check refuses it.
func escape(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quote makes one word of it (systemd.syntax(7)).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(s) + `"`
}

// quoteExec is quote for a command line, where a $ begins a variable too. A
// plain path stays readable.
func quoteExec(s string) string {
	if !strings.ContainsAny(s, " \t\"'\\%$;") {
		return s
	}
	return strings.ReplaceAll(quote(s), "$", "$$")
}

// Check refuses a path that would end its line in a unit, and go on as another.
func Check(path string) error {
	if strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return fmt.Errorf("%q holds control characters, which a service's file cannot name", path)
	}
	return nil
}
