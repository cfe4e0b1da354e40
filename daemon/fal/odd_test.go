//go:build linux || darwin || windows

package fal

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// F3, F6: what stands at the path holds nobody up, and is named; go-toml, which takes time by
// the square of the number of tables, is given 64 KiB at most.
func TestOddConfig_F3F6(t *testing.T) {
	for what, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a folder":               {func(path string) error { return os.Mkdir(path, 0o700) }, "is not a regular file"},
		"a FIFO":                 {func(path string) error { return testkit.Mkfifo(path) }, "is not a regular file"},
		"a device":               {func(path string) error { return testkit.TrySymlink("/dev/zero", path) }, "is not a regular file"},
		"a link in a circle":     {func(path string) error { return testkit.TrySymlink(path, path) }, "too many levels of symbolic links"},
		"a link to nothing":      {func(path string) error { return testkit.TrySymlink(path+"x", path) }, ""},
		"60,000 tables":          {func(path string) error { return os.WriteFile(path, tables(600_000), 0o600) }, "larger than 64 KiB"},
		"one byte more than fit": {func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("\n"), maxConfig+1), 0o600) }, "larger than 64 KiB"},
		"as much as fits":        {func(path string) error { return os.WriteFile(path, tables(maxConfig), 0o600) }, ""},
	} {
		config := Config{Path: filepath.Join(t.TempDir(), "config.toml"), Profile: "work"}
		if testkit.NotHere(t, what, c.make(config.Path)) {
			continue
		}
		begun := time.Now()
		_, err := config.Team()
		var hostErr error
		if c.want != "" { // it is read once more, which takes go-toml half a second for as much as fits
			_, _, hostErr = config.Host()
		}
		if c.want == "" && (err != nil || hostErr != nil) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || hostErr == nil) {
			t.Errorf("%s: %v; %v", what, err, hostErr)
		}
		if took := time.Since(begun); took > 20*time.Second {
			t.Errorf("%s: it took %v", what, took)
		}
	}
	// A line that would make it too large for a reading is not written.
	config := Config{Path: filepath.Join(t.TempDir(), "config.toml")}
	full := append(bytes.Repeat([]byte("#"), maxConfig-1), '\n')
	if err := os.WriteFile(config.Path, full, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.SetTeam("acme"); err == nil || !strings.Contains(err.Error(), "64 KiB") {
		t.Error(err)
	}
	if now, _ := os.ReadFile(config.Path); !bytes.Equal(now, full) {
		t.Error("it was changed")
	}
}

// tables is a file of that many bytes and a line of comment, which go-toml takes the longest for.
func tables(size int) (text []byte) {
	for i := 0; len(text) < size-20; i++ {
		text = fmt.Appendf(text, "[%x]\n", i)
	}
	return text
}
