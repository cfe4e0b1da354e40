package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/packaging"
)

// hostile is what a path may hold, and must stay within its place.
const hostile = `/a b/%h $HOME "q" 'q' \t <x>&amp;{{Exec}}`

func TestUnitQuotes(t *testing.T) {
	service, socket := packaging.User(packaging.Unit{Name: "falcred", Exec: hostile, Socket: hostile, Home: hostile,
		Env: map[string]string{"FAL_HOME_DIR": hostile}})
	for _, want := range []string{
		`ExecStart="/a b/%%h $$HOME \"q\" 'q' \\t <x>&amp;{{Exec}}" run` + "\n",
		`Environment="FAL_HOME_DIR=/a b/%%h $HOME \"q\" 'q' \\t <x>&amp;{{Exec}}"` + "\n",
	} {
		if !strings.Contains(service, want) {
			t.Errorf("no %s in\n%s", want, service)
		}
	}
	if want := "ListenStream=" + strings.ReplaceAll(hostile, "%", "%%") + "\n"; !strings.Contains(socket, want) {
		t.Errorf("no %s in\n%s", want, socket)
	}
	if packaging.Check("/a\nExecStartPre=/bin/sh") == nil || packaging.Check(hostile) != nil {
		t.Error("Check lets a line break through, or refuses a path")
	}
}

// The packages' units hold %h, and no path of a build.
func TestPackagedUnits(t *testing.T) {
	service, socket := packaging.Packaged()
	system := packaging.PackagedSystem()
	for text, want := range map[string]string{
		service: "ExecStart=/usr/bin/falcred run\n",
		socket:  "ListenStream=%h/.fal/falcred.sock\nSocketMode=0600\n",
		system:  "User=%i\nExecStart=/usr/bin/falcred run\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// S11: a mistake of configuration is not tried again by the service manager, and nothing is
// without a bound.
func TestUnitsDoNotLoop_S11(t *testing.T) {
	service, _ := packaging.Packaged()
	own, _ := packaging.User(packaging.Unit{Name: "falcred", Exec: "/x/falcred", Socket: "/s"})
	for _, text := range []string{service, own, packaging.PackagedSystem()} {
		for _, want := range []string{"\nStartLimitIntervalSec=60\nStartLimitBurst=20\n", "\nRestart=on-failure\nRestartSec=5\n", "\nRestartPreventExitStatus=78\n"} {
			if strings.Count(text, want) != 1 {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
	if plist := packaging.Plist(packaging.Agent{Label: "l", Exec: "/x"}); !strings.Contains(plist, "<key>ThrottleInterval</key>\n\t<integer>30</integer>") {
		t.Errorf("launchd starts it more than twice a minute:\n%s", plist)
	}
}

// The standard home's units keep out of the way of the machine's, the packages' keep
// out of the way of those who are no people, and an environment is given or taken away.
func TestUnitsVary(t *testing.T) {
	const conflict, unset = "\nConditionPathExists=!/etc/systemd/system/multi-user.target.wants/falcred@%u.service\n", "\nUnsetEnvironment=FAL_HOME_DIR FALCRED_SOCKET\nRestart="
	const people = "\nConditionUser=!@system\nConditionPathIsDirectory=%h\n\n[Socket]\n"
	packagedService, packagedSocket := packaging.Packaged()
	standardService, standardSocket := packaging.User(packaging.Unit{Name: "falcred", Exec: "/x/falcred", Socket: "/s"})
	elsewhereService, elsewhereSocket := packaging.User(packaging.Unit{Name: "falcred-b", Exec: "/x/falcred", Socket: "/s", Home: "/b",
		Env: map[string]string{"B": "2", "A": "1"}})
	for _, c := range []struct {
		name, service, socket       string
		conflict, unset, people     bool
		inService, inBoth, required string
	}{
		{"packaged", packagedService, packagedSocket, true, true, true, "ExecStart=/usr/bin/falcred run\n", "fal.ai logins\n", "falcred.socket"},
		{"standard", standardService, standardSocket, true, true, false, "ExecStart=/x/falcred run\n", "fal.ai logins\n", "falcred.socket"},
		{"elsewhere", elsewhereService, elsewhereSocket, false, false, false, "Environment=\"A=1\"\nEnvironment=\"B=2\"\nRestart=", "fal.ai logins in /b\n", "falcred-b.socket"},
	} {
		has := func(what, text, part string, want bool) {
			if strings.Contains(text, part) != want {
				t.Errorf("%s: %s in the unit: %t, and should be %t\n%s", c.name, what, !want, want, text)
			}
		}
		has("the conflict", c.service, conflict, c.conflict)
		has("the conflict", c.socket, conflict, c.conflict)
		has("unset", c.service, unset, c.unset)
		has("people", c.socket, people, c.people)
		has(c.inService, c.service, c.inService, true)
		has(c.inBoth, c.service, c.inBoth, true)
		has(c.inBoth, c.socket, c.inBoth, true)
		has("its socket", c.service, "\nRequires="+c.required+"\n", true)
		has("its socket", c.service, "\nAlso="+c.required+"\n", true)
	}
}

// An Exec line is read as the Desktop Entry specification says: a value's escapes first, then
// the quotes, then the field codes.
func TestAutostart(t *testing.T) {
	text := packaging.Autostart(packaging.Entry{Exec: hostile, Home: "/home/ann/my work", Env: map[string]string{"FAL_HOME_DIR": "/home/ann/my work"}})
	line := regexp.MustCompile(`(?m)^Exec=(.*)$`).FindStringSubmatch(text)
	if line == nil || strings.Count(text, "\n") != 7 {
		t.Fatal(text)
	}
	value := strings.ReplaceAll(line[1], `\\`, `\`)
	var words []string
	for _, quoted := range regexp.MustCompile(`"(\\.|[^"\\])*"|\S+`).FindAllString(value, -1) {
		word := strings.TrimSuffix(strings.TrimPrefix(quoted, `"`), `"`)
		words = append(words, strings.ReplaceAll(regexp.MustCompile(`\\(.)`).ReplaceAllString(word, "$1"), "%%", "%"))
	}
	if want := []string{"env", "-u", "FAL_HOME_DIR", "-u", "FALCRED_SOCKET", "FAL_HOME_DIR=/home/ann/my work", hostile, "run"}; !slices.Equal(words, want) {
		t.Errorf("%q, want %q", words, want)
	}
}

// The example of falcred.env sets nothing as it is, and each of its lines means something.
func TestExampleEnv(t *testing.T) {
	text, err := os.ReadFile("falcred.env.example")
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	read := func(text []byte) envfile.File {
		t.Helper()
		if err := os.WriteFile(filepath.Join(home, envfile.Name), text, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := envfile.Read(home)
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	if file := read(text); len(file.Names()) > 0 {
		t.Errorf("it sets %s", file)
	}
	lines := regexp.MustCompile(`(?m)^#([A-Z_]+=)`)
	file := read(lines.ReplaceAll(text, []byte("$1")))
	if want := len(lines.FindAll(text, -1)); want < 5 || len(file.Names()) != want || len(file.Odd) > 0 {
		t.Errorf("%d lines set %s, and these are odd: %q", want, file, file.Odd)
	}
}
