//go:build system && unix

package providers

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
)

// install makes a folder of the user's cache, once for each version of what it is made from. What is
// interrupted is begun again: the folder has its name only when it is whole.
func install(name string, version []byte, make func(folder string) error) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "falcred-tests")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", err
	}
	folder := filepath.Join(cache, fmt.Sprintf("%s-%x", name, sha256.Sum256(version))[:len(name)+13])
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	begun, err := os.MkdirTemp(cache, name+"-new")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(begun)
	if err := make(begun); err != nil {
		return "", err
	}
	if err := os.Rename(begun, folder); err != nil {
		if _, there := os.Stat(folder); there != nil {
			return "", err
		} // else another test was faster
	}
	return folder, nil
}
