package service

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestTwoHomesAreTwoNames(t *testing.T) {
	a, b := nameOf("/home/ann/work/.fal"), nameOf("/home/ann/other/work/.fal")
	if a == b || a != nameOf("/home/ann/work/.fal") {
		t.Errorf("%s, %s", a, b)
	}
	if got := nameOf("/x/%h\n;é/..;"); got[:len("falcred-h-")] != "falcred-h-" {
		t.Errorf("%s is no unit's name", got)
	}
}

func TestTemporaryFolders(t *testing.T) {
	for path, want := range map[string]bool{
		"/var/cache/go-build1/b001/exe/falcred":    true,
		filepath.Join(os.TempDir(), "x/falcred"):   true,
		"/usr/local/bin/falcred":                   false,
		filepath.FromSlash("/opt/my go/b/falcred"): false,
	} {
		if got := temporary(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

func TestStrayedVariablesAreNamed(t *testing.T) {
	got := strayed([]string{"FALCRED_ISSUER=x", "FALCRED_SOCKET=/s", "HOME=/", "HTTPS_PROXY=p", "FALCREDX=1"})
	if !slices.Equal(got, []string{"FALCRED_ISSUER", "HTTPS_PROXY"}) {
		t.Errorf("%q", got)
	}
}
