package daemon

import (
	"os/exec"
	"strings"
	"testing"
)

// §9: who may import whom, and what the exec'ed helper may link.
func TestImportRules(t *testing.T) {
	const project = "github.com/falcred/falcred/"
	rules := []struct {
		pkg    string
		ours   string // the project's packages it may use
		stdlib bool   // and nothing else but the standard library
		not    []string
	}{
		{pkg: "protocol/internal/ijson", stdlib: true},
		{pkg: "protocol", ours: "protocol/internal/ijson", stdlib: true},
		{pkg: "protocol/env", ours: "protocol protocol/internal/ijson", stdlib: true},
		{pkg: "protocol/peer", ours: "protocol protocol/internal/ijson", stdlib: true},
		{pkg: "protocol/bazel", ours: "protocol protocol/internal/ijson", stdlib: true},
		{pkg: "protocol/strict", stdlib: true},
		{pkg: "helper", ours: "protocol protocol/internal/ijson protocol/env protocol/peer", stdlib: true, not: []string{"net/http", "crypto/tls"}},
		{pkg: "helper/dockercred", ours: "protocol protocol/internal/ijson protocol/env protocol/peer protocol/bazel protocol/strict helper", stdlib: true, not: []string{"net/http", "crypto/tls"}},
		{pkg: "helper/falhttp", ours: "protocol protocol/internal/ijson protocol/env protocol/peer helper"},
		{pkg: "cmd/docker-credential-fal", ours: "protocol protocol/internal/ijson protocol/env protocol/peer protocol/bazel protocol/strict helper helper/dockercred", stdlib: true, not: []string{"net/http", "crypto/tls"}},
		{pkg: "daemon", ours: "protocol protocol/internal/ijson protocol/env protocol/peer protocol/strict daemon/alarm"},
		{pkg: "daemon/alarm", ours: ""},
		{pkg: "daemon/idp", ours: ""},
		{pkg: "daemon/bench", ours: "protocol protocol/internal/ijson protocol/env protocol/peer daemon/idp"},
		{pkg: "packaging", stdlib: true, not: []string{"net/http"}},
		{pkg: "packaging/build", ours: "packaging", stdlib: true},
	}
	for _, rule := range rules {
		out, err := exec.Command("go", "list", "-deps", project+rule.pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		deps := strings.Fields(string(out))
		if len(deps) < 2 {
			t.Fatalf("%s: go list found only %v", rule.pkg, deps)
		}
		for _, dep := range deps {
			name, ours := strings.CutPrefix(dep, project)
			switch first, _, _ := strings.Cut(dep, "/"); {
			case ours && name != rule.pkg && !strings.Contains(" "+rule.ours+" ", " "+name+" "):
				t.Errorf("%s imports %s", rule.pkg, dep)
			case !ours && rule.stdlib && strings.Contains(first, "."):
				t.Errorf("%s imports %s: the standard library only", rule.pkg, dep)
			}
			for _, banned := range rule.not {
				if dep == banned {
					t.Errorf("%s links %s", rule.pkg, dep)
				}
			}
		}
	}
}
