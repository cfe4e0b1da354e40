package helper

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The helper starts like an empty program (§3), and protocol stands on nothing
// of ours (§9).
func TestImports_Section3_Section9(t *testing.T) {
	const module = "github.com/falcred/falcred/"
	allowed := map[string][]string{
		module + "protocol":                  {module + "protocol/ijson", module + "protocol"},
		module + "protocol/strict":           {module + "protocol/strict"},
		module + "helper":                    {module + "protocol/ijson", module + "protocol", module + "protocol/strict", module + "helper"},
		module + "cmd/docker-credential-fal": {module + "protocol/ijson", module + "protocol", module + "protocol/strict", module + "helper", module + "cmd/docker-credential-fal"},
	}
	heavy := []string{"net/http", "crypto/tls", "crypto/x509", "regexp", "text/template", "html/template", "os/exec", "flag", "log/slog", "encoding/json"}
	for pkg, ours := range allowed {
		for _, goos := range []string{"linux", "darwin", "windows"} {
			cmd := exec.Command("go", "list", "-deps", pkg)
			cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
			banned := heavy
			if goos != "windows" {
				banned = append([]string{"net", "net/netip"}, heavy...)
			}
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			for dep := range strings.Lines(string(out)) {
				dep = strings.TrimSpace(dep)
				first, _, _ := strings.Cut(dep, "/")
				if strings.Contains(first, ".") && !slices.Contains(ours, dep) || slices.Contains(banned, dep) {
					t.Errorf("%s on %s imports %s", pkg, goos, dep)
				}
			}
		}
	}
}
