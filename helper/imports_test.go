package helper

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// The helper starts like an empty program (§3), and protocol stands on nothing
// of ours (§9).
func TestImports_Section3_Section9(t *testing.T) {
	testkit.OnWindows(t, "it asks the sources, which are the same")
	const module = "github.com/falcred/falcred/"
	wire := []string{"protocol", "protocol/internal/ijson"}
	client := append([]string{"protocol/disk", "protocol/env", "protocol/local", "protocol/peer", "protocol/strict", "helper"}, wire...)
	program := append([]string{"protocol/bazel", "protocol/limits", "helper/dockercred", "cmd/docker-credential-fal"}, client...)
	allowed := map[string][]string{
		"protocol": wire, "protocol/env": append([]string{"protocol/env"}, wire...), "protocol/peer": append([]string{"protocol/disk", "protocol/local", "protocol/peer"}, wire...), "protocol/local": {"protocol/disk", "protocol/local"},
		"protocol/bazel": append([]string{"protocol/bazel"}, wire...), "protocol/disk": {"protocol/disk"}, "protocol/strict": {"protocol/strict", "protocol/disk"}, "protocol/limits": {"protocol/limits"}, "helper": client, "helper/dockercred": program, "cmd/docker-credential-fal": program,
	}
	heavy := []string{"net/http", "crypto/tls", "crypto/x509", "regexp", "text/template", "html/template", "os/exec", "flag", "log/slog", "encoding/json"}
	for pkg, ours := range allowed {
		for _, goos := range []string{"linux", "darwin", "windows"} {
			cmd := exec.Command("go", "list", "-deps", module+pkg)
			cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
			banned := append([]string{"net", "net/netip", "crypto/rand"}, heavy...)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			for dep := range strings.Lines(string(out)) {
				dep = strings.TrimSpace(dep)
				first, _, _ := strings.Cut(dep, "/")
				name, _ := strings.CutPrefix(dep, module)
				if strings.Contains(first, ".") && !slices.Contains(ours, name) || slices.Contains(banned, dep) {
					t.Errorf("%s on %s imports %s", pkg, goos, dep)
				}
			}
		}
	}
}
