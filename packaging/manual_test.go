package packaging_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/helper/dockercred"
	"github.com/falcred/falcred/protocol/disk"
)

// page is one of the manual's pages that are written by hand, as people read it.
func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{"NAME", "DESCRIPTION", "ENVIRONMENT", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"} {
		if strings.Count(string(text), "\n.Sh "+section+"\n") != 1 {
			t.Errorf("%s has no section %s", name, section)
		}
	}
	return strings.ReplaceAll(string(text), `\-`, "-")
}

// §3: each variable of falcred.env(5) can be set there, or is refused, as the page says.
func TestManualOfEnv_Section3(t *testing.T) {
	set, refused, _ := strings.Cut(page(t, "falcred.env.5"), "These are refused")
	home := t.TempDir()
	if err := disk.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`(?m)^\.It Ev ([A-Z_ ,]+)$`)
	for text, fits := range map[string]func(envfile.File, error) bool{
		set:     func(f envfile.File, err error) bool { return err == nil && len(f.Odd) == 0 },
		refused: func(_ envfile.File, err error) bool { return err != nil },
	} {
		for _, found := range names.FindAllStringSubmatch(text, -1) {
			for name := range strings.SplitSeq(found[1], " , ") {
				if err := os.WriteFile(filepath.Join(home, envfile.Name), []byte(name+"="+home+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				if f, err := envfile.Read(home); !fits(f, err) {
					t.Errorf("%s: %q, %v", name, f.Odd, err)
				}
			}
		}
	}
	for _, name := range []string{"FALCRED_ISSUER", "FALCRED_NOTIFY", "SSL_CERT_DIR", "FALCRED_TEAM"} {
		if !slices.ContainsFunc(names.FindAllString(set+refused, -1), func(item string) bool { return strings.Contains(item, name) }) {
			t.Errorf("%s is missing", name)
		}
	}
}

// §4: docker-credential-fal(1) has each verb, flag and exit status that the program's own help has.
func TestManualOfHelper_Section4(t *testing.T) {
	text := page(t, "docker-credential-fal.1")
	var help bytes.Buffer
	none := func(string) (string, bool) { return "", false }
	if code := dockercred.Run([]string{"token", "--help"}, strings.NewReader(""), &help, &help, none); code != 0 {
		t.Fatal(code)
	}
	flags := regexp.MustCompile(`(?m)^ +-(-[a-z-]+)`).FindAllStringSubmatch(help.String(), -1)
	if len(flags) < 4 {
		t.Fatalf("%s", help.String())
	}
	for _, flag := range flags {
		if !regexp.MustCompile(`(?m)^\.It Fl ` + flag[1] + `( |$)`).MatchString(text) {
			t.Errorf("no -%s", flag[1])
		}
	}
	for _, item := range []string{"Cm header", "Cm token", "Cm get", "Cm list", "Cm store", "Cm erase", "Cm version", "3", "75", "Ev FALCRED_TEAM"} {
		if !strings.Contains(text, "\n.It "+item+"\n") {
			t.Errorf("no %s", item)
		}
	}
}
