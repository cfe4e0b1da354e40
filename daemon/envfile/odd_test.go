package envfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// §3: what is accepted and may not mean what was meant is named, with its line and what to do.
func TestOddLines_Section3(t *testing.T) {
	for text, want := range map[string][]string{
		"FALCRED_ISUER=https://id.example":   {"line 1: falcred reads no variable FALCRED_ISUER\ndid you mean FALCRED_ISSUER?"},
		"A=b\nexport HTTPS_PROXY=x":          {"line 2: export before HTTPS_PROXY does nothing here\nleave the word out of line 2"},
		"export FALCRED_ISUER=x":             {"line 1: falcred reads no variable FALCRED_ISUER", "line 1: export before"},
		"HTTPS_PROXY = x":                    {"line 1: the spaces around the = after HTTPS_PROXY are left out\nwrite line 1 without them"},
		"HTTPS_PROXY= x":                     {"line 1: the spaces around the ="},
		"HTTPS_PROXY =x":                     {"line 1: the spaces around the ="},
		"FAL_KEY=a\n#\nA=b\nFAL_KEY=a":       {"line 4: FAL_KEY stands on line 1, too; the last one counts\nleave one of lines 1 and 4"},
		"FAL_KEYS=a\nFAL_KEYS=b\nFAL_KEYS=c": {"line 1: falcred reads no variable FAL_KEYS", "line 2: FAL_KEYS stands on line 1, too", "line 3: FAL_KEYS stands on line 2, too"},
		"A=b\nB=c\r\nC=d\r\n":                {"line 2: the line ends with CR LF, as on Windows; the CR is left out"},
		"HTTPS_PROXY='x":                     {"line 1: the value of HTTPS_PROXY has a quote at one end, which stays a part of it: only a pair at both ends is removed\nclose the quote of line 1"},
		"HTTPS_PROXY=x\"":                    {"has a quote at one end, which stays a part of it"},
		"HTTPS_PROXY='x\"":                   {"has a quote at one end, which stays a part of it"},
		"HTTPS_PROXY=\"":                     {"has a quote at one end, which stays a part of it"},
		"HTTPS_PROXY=“x”":                    {"has a quote at one end, which stays a part of it"},
		"HTTPS_PROXY='x'y":                   {"has a quote at one end, which stays a part of it"},
		"HTTPS_PROXY='x' 'y'":                {"has quotes inside it"},
		"HTTPS_PROXY='x' # the office's":     {"has a # in it, which does not begin a comment there"},
		"HTTPS_PROXY=x # the office's":       {"has a # in it"},
		"HTTPS_PROXY=# none":                 {"has a # in it"},
		"NO_PROXY=a,\\\nB=c":                 {"line 1: the value of NO_PROXY ends with a backslash"},
		"A=b\rB=c":                           {"has a control byte in it"},
		"SSL_CERT_FILE=~/ca.pem":             {"begins with ~, which is not replaced by your home folder here"},
		"SSL_CERT_FILE=$HOME/ca.pem":         {"has a $ in it: no variable is replaced by its value here"},
		"SSL_CERT_FILE=/home/${USER}/ca.pem": {"has a $ in it"},
		"FALCRED_ON_CHANGE='notify x":        {"has a quote that does not close"},
		"FALCRED_ON_CHANGE=echo it's":        {"has a quote that does not close"},
		"FALCRED_ON_CHANGE=\"a b\" \"c d\"":  {"has quotes inside it"},
		"FALCRED_AUTOSTART=0":                {"line 1: FALCRED_AUTOSTART does nothing here: docker-credential-fal reads it, and does not read this file\nset FALCRED_AUTOSTART in the environment"},
		"GOGC=50":                            {"line 1: GOGC does nothing here: it is read before this file is"},
		"FAL_TEAM=acme":                      {"line 1: falcred reads no variable FAL_TEAM\ndid you mean FALCRED_TEAM? It is set in the environment, and not in this file"},
		"fal_home_dir=x":                     {"did you mean FAL_HOME_DIR? It is set in the environment, and not in this file"},

		// what is as it should be
		"":                                     {},
		"# export A = 'b\n\n  \nA=b":           {},
		"HTTPS_PROXY='x'\nNO_PROXY=\"a,b\"":    {},
		"https_proxy=http://a:b%23c@d:1/#e":    {},
		"NO_PROXY=.example.com,127.0.0.0/8":    {},
		"GODEBUG=netdns=go\nTZ=UTC\nLANG=C":    {},
		"NTFY_TOPIC=a\nFTP_PROXY=b\nMY_KEY=c":  {},
		"FAL_CONFIG_PATH=~/work.toml":          {},
		"FALCRED_SHARE_SOCKET=~/.fal/s":        {},
		"FALCRED_AUDIENCE=\nFALCRED_SCOPES=''": {},
		`FALCRED_ON_CHANGE="/opt/my hook" --state $FALCRED_STATE # as it is`:                                                                {},
		`FALCRED_ON_CHANGE='notify-send "fal"'`:                                                                                             {},
		`FALCRED_ON_CHANGE=[ "$FALCRED_STATE" != login_required ] || notify-send "fal: log in again" "$FALCRED_CAUSE"`:                      {},
		`FALCRED_ON_CHANGE=[ "$FALCRED_STATE" != login_required ] || osascript -e 'display notification "log in again" with title "fal"'`:   {},
		`FALCRED_ON_CHANGE=[ "$FALCRED_STATE" != login_required ] || echo "$FALCRED_CAUSE" | mail -s "fal: log in again" "$(id -un)"; a\'b`: {},
	} {
		f, err := parse("/h/falcred.env", text)
		if err != nil || len(f.Odd) != len(want) {
			t.Errorf("%q: %v, %q", text, err, f.Odd)
			continue
		}
		for i, odd := range f.Odd {
			if !strings.HasPrefix(odd, "falcred.env, line ") || !strings.Contains(odd, want[i]) || strings.Count(odd, "\n") != 1 {
				t.Errorf("%q: %q, want %q", text, odd, want[i])
			}
		}
	}
}

// §3: an unknown name is told the one that it is likely to be.
func TestDidYouMean_Section3(t *testing.T) {
	for name, want := range map[string]string{
		"FALCRED_ISUER": "FALCRED_ISSUER", "FALCERD_ISSUER": "FALCRED_ISSUER", "falcred_issuer": "FALCRED_ISSUER", "FALCREDISSUER": "FALCRED_ISSUER",
		"FAL_ISSUER": "FALCRED_ISSUER", "Falcred_Issuer": "FALCRED_ISSUER", "FALCRED_CLIENTID": "FALCRED_CLIENT_ID", "FALCRED_CLIENT": "FALCRED_CLIENT_ID", "FALCRED_HOME": "FAL_HOME_DIR", "FALCRED_ALLOW": "FALCRED_ALLOW_UIDS",
		"FALCRED_SERVER": "FALCRED_SERVERS", "FALCRED_SCOPE": "FALCRED_SCOPES", "FALCRED_ALLOW_UID": "FALCRED_ALLOW_UIDS", "FALCRED_ONCHANGE": commandName,
		"FAL_KEYID": "FAL_KEY_ID", "FALKEY": "FAL_KEY", "FALCRED_KEY": "FAL_KEY", "FAL_REST_HOTS": "FAL_REST_HOST", "FALCRED_HOME_DIR": "FAL_HOME_DIR",
		"HTTPS_PORXY": "HTTPS_PROXY", "Https_Proxy": "HTTPS_PROXY", "HTTPSPROXY": "HTTPS_PROXY", "NOPROXY": "NO_PROXY", "SSL_CERT_FILES": "SSL_CERT_FILE",
		"FAL_XYZZY": "", "FALCRED_NOSUCHTHING": "",
	} {
		text, hint := oddName(name)
		meant, _, _ := strings.Cut(strings.TrimPrefix(hint, "did you mean "), "?")
		if text == "" || want == "" != strings.Contains(text+hint, "correct the name") || want != "" && meant != want {
			t.Errorf("%s: %q, %q", name, text, hint)
		}
	}
	for _, name := range append(known, "LD_LIBRARY_PATH", "PATH", "PROXY", "FALCON_HOME", "CURL_CA_BUNDLE", "KEY", "DBUS_SESSION_BUS_ADDRESS", "SSL_CERTS", "ftp_proxy") {
		if text, _ := oddName(name); text != "" {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// §3: what an environment has for falcred by a wrong name is named as well. Others' names are
// their own.
func TestStrays_Section3(t *testing.T) {
	f := File{Values: map[string]string{"FALCRED_SERVER": "a"}}
	got := f.Strays([]string{"FALCRED_ISUER=hush", "falcred_xyzzy=hush", "FALCRED_SERVER=a", "FAL_KEYS=b", "FAL_KEY=c", "FALCRED_STATE=refreshed", "FALCRED_CAUSE=",
		"FALCRED_AUTOSTART=0", "FALCRED_SOCKET=/s", "FALCRED_ISSUER=x", "HTTPS_PORXY=y", "PATH=/", "=C:=C:", "FALCRED_HOME=z"})
	want := []string{
		"the environment has FALCRED_HOME, which falcred does not read\ndid you mean FAL_HOME_DIR?",
		"the environment has FALCRED_ISUER, which falcred does not read\ndid you mean FALCRED_ISSUER?",
		"the environment has falcred_xyzzy, which falcred does not read\ncorrect the name falcred_xyzzy, or unset it; see: falcred run --help",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// §3: the names that are known here are those that README and SETTINGS tell of, and those that the source
// reads.
func TestKnownNames_Section3(t *testing.T) {
	isKnown := func(name string) bool {
		_, not := elsewhere[name]
		return not || slices.Contains(known, name) || slices.Contains(told, name)
	}
	var pages string
	for _, name := range []string{"../../README.md", "../../cmd/falcred/SETTINGS.md"} {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages += string(page)
	}
	found := 0
	for line := range strings.Lines(pages) {
		cells := strings.SplitN(line, "|", 3)
		if len(cells) < 3 {
			continue
		}
		for _, name := range regexp.MustCompile("`(FAL[A-Z_]+)`").FindAllStringSubmatch(cells[1], -1) {
			if found++; !isKnown(name[1]) {
				t.Errorf("a page has %s", name[1])
			}
		}
	}
	quoted := regexp.MustCompile(`"(FAL(?:CRED)?_[A-Z_]+)"`)
	for _, root := range []string{"../../cmd", "../../daemon", "../../helper", "../../protocol"} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || strings.HasSuffix(path, "_test.go") || filepath.Ext(path) != ".go" || strings.Contains(path, "testdata") || strings.Contains(path, "testkit") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, name := range quoted.FindAllStringSubmatch(string(source), -1) {
				if found++; !isKnown(name[1]) {
					t.Errorf("%s has %s", path, name[1])
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if found < 60 {
		t.Errorf("only %d names were found", found)
	}
}
