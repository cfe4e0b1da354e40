package testkit

import (
	"errors"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/falcred/falcred/protocol/disk"
)

// OnWindows leaves a test out there, in a wording that can be counted.
func OnWindows(t testing.TB, why string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("on Windows:", why)
	}
}

// InWine leaves a test out that only a real Windows runs.
func InWine(t testing.TB, why string) {
	t.Helper()
	if Wine() {
		t.Skip("on Windows: not in wine:", why)
	}
}

// Symlink makes a link, or skips the test where Windows does not let us, or wine only says so.
func Symlink(t testing.TB, to, from string) {
	t.Helper()
	if err := TrySymlink(to, from); err != nil {
		OnWindows(t, "links need a right: "+err.Error())
		t.Fatal(err)
	}
}

// TrySymlink is [os.Symlink], with an error where there is no link afterwards.
func TrySymlink(to, from string) error {
	if err := os.Symlink(to, from); err != nil {
		return err
	}
	_, err := os.Readlink(from)
	return err
}

// NotHere leaves one case of a table out that Windows does not let us make; elsewhere that is an
// error.
func NotHere(t testing.TB, what string, err error) bool {
	t.Helper()
	switch {
	case err == nil:
		return false
	case runtime.GOOS != "windows":
		t.Fatal(what, err)
	}
	t.Logf("on Windows: without %s: %v", what, err)
	return true
}

// WriteFile makes a file that is ours alone from its first moment, whatever its folder hands down.
func WriteFile(path, text string) error {
	file, err := disk.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, text)
	return errors.Join(err, file.Close())
}

// ReadFile is [os.ReadFile] by a reader who lets others replace the file meanwhile.
func ReadFile(path string) ([]byte, error) {
	if runtime.GOOS != "windows" {
		return os.ReadFile(path)
	}
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}
