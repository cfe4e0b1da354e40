//go:build system

package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Two builds of one commit are the same bytes, in whatever folder they are made.
func TestReproducible(t *testing.T) {
	if testing.Short() || os.Getenv("CI") == "" {
		t.Skip("builds all packages twice, with what it downloads: set CI=1")
	}
	var sums []string
	for range 2 {
		sums = append(sums, build(t, copied(t)))
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 4 {
		t.Errorf("two builds differ, or are not 4 packages:\n%s\n%s", sums[0], sums[1])
	}
	t.Logf("twice the same:\n%s", sums[0])
}

// copied is the source in another folder, without what git does not know.
func copied(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	out, err := exec.Command("sh", "-c", `cd .. && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"`, folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return folder
}

func build(t *testing.T, source string) (sums string) {
	t.Helper()
	out := t.TempDir()
	cmd := exec.Command("go", "run", "./packaging/build", "-version", "0.1.0", "-out", out)
	cmd.Dir, cmd.Env = source, append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	files, err := filepath.Glob(filepath.Join(out, "falcred*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.SplitAfter(output(t, "sha256sum", files...), "\n") {
		sums += strings.Replace(line, out+"/", "", 1)
	}
	return sums
}
