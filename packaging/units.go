// Package packaging holds the files that service managers read, so that
// `falcred service install` and the packages share one text.
package packaging

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
	"text/template"
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
	return render2(unitText{Name: "falcred", Exec: PackagedExec, Socket: "%h/.fal/falcred.sock", Everybody: true})
}

// PackagedSystem is falcred@.service as packages install it.
func PackagedSystem() (string, error) { return System(PackagedExec) }

// System is falcred@.service for that program.
func System(exec string) (string, error) {
	return render("systemd/falcred@.service", unitText{Exec: quoteExec(exec)})
}

// User is the service and the socket of one home.
func User(u Unit) (service, socket string, err error) {
	text := unitText{Name: u.Name, Exec: quoteExec(u.Exec), Socket: escape(u.Socket)}
	if u.Home != "" {
		text.Of = " in " + escape(u.Home)
	}
	for _, name := range sortedKeys(u.Env) {
		text.Environment = append(text.Environment, quote(name+"="+u.Env[name]))
	}
	return render2(text)
}

// unitText is quoted as it stands in the file.
type unitText struct {
	Name, Of, Exec, Socket string
	Environment            []string
	Everybody              bool // a package's, which turns it on for all users
}

func render2(u unitText) (service, socket string, err error) {
	if service, err = render("systemd/falcred.service", u); err != nil {
		return "", "", err
	}
	socket, err = render("systemd/falcred.socket", u)
	return service, socket, err
}

func render(name string, data any) (string, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return "", err
	}
	parsed, err := template.New(name).Funcs(template.FuncMap{"xml": escapeXML}).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, data); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return out.String(), nil
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
