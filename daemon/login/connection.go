package login

import (
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon/internal/fsx"
)

// connectionName is the fal CLI's file for how people sign in at fal's page: github, google, or the
// domain of an enterprise's single sign-on. It is a preference, and no secret.
const connectionName = "last_auth_connection"

// LastConnection is how the last login at a home signed in, "" where that is not known.
func LastConnection(home string) string {
	data, err := fsx.Read(filepath.Join(home, connectionName), fsx.MaxSmall)
	if name := strings.TrimSpace(string(data)); err == nil && isConnection(name) {
		return name
	}
	return ""
}

// isConnection takes what may go into an address: of anything else in the file nothing is known.
func isConnection(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return name != "" && len(name) <= 253 && strings.Trim(name, letters) == ""
}

// SaveConnection keeps it for the next login, here or with the fal CLI.
func SaveConnection(home, name string) error {
	return fsx.WriteAtomic(filepath.Join(home, connectionName), []byte(name))
}
