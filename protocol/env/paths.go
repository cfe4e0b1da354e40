package env

import (
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/falcred/falcred/protocol"
)

// TokenFile is the login's file in the home.
const TokenFile = "auth0_token" // #nosec G101 -- a file's name

// Placeholder is line 1 of a token file that `falcred follow` keeps, where programs
// look for a refresh token. It is none: whoever sends it to an issuer is refused,
// and nothing else comes of it.
const Placeholder = "falcred-follow.no-refresh-token.see-falcred-follow--help" // #nosec G101 -- a placeholder

const socketName = "falcred.sock"

// Home is the login's home: FAL_HOME_DIR, else ~/.fal. A relative or an empty
// FAL_HOME_DIR is refused: it would name another login in each working folder.
func Home(lookup func(string) (string, bool)) (string, error) {
	dir, ok := lookup("FAL_HOME_DIR")
	if !ok {
		return DefaultHome(lookup)
	}
	return absolute(lookup, "FAL_HOME_DIR", dir)
}

// DefaultHome is ~/.fal, whatever FAL_HOME_DIR says.
func DefaultHome(lookup func(string) (string, bool)) (string, error) {
	home, err := userHome(lookup)
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".fal"), nil
}

// Sockets is where a daemon for home may listen, the first choice first.
// FALCRED_SOCKET leaves no other choice. The second path, for homes that
// cannot hold a socket, is shared by all homes of a user: a client that finds
// a daemon there has to ask for its Home.
func Sockets(lookup func(string) (string, bool), home string) ([]string, error) {
	if path, ok := lookup("FALCRED_SOCKET"); ok {
		path, err := absolute(lookup, "FALCRED_SOCKET", path)
		if err != nil {
			return nil, err
		}
		return []string{path}, nil
	}
	sockets := []string{filepath.Join(home, socketName)}
	if dir := runtimeDir(lookup); dir != "" {
		sockets = append(sockets, filepath.Join(dir, socketName))
	}
	return sockets, nil
}

// ShareSocket is FALCRED_SHARE_SOCKET, "" where there is to be none.
func ShareSocket(lookup func(string) (string, bool)) (string, error) {
	path, _ := lookup("FALCRED_SHARE_SOCKET")
	if path == "" {
		return "", nil
	}
	path, err := absolute(lookup, "FALCRED_SHARE_SOCKET", path)
	if err != nil {
		return "", err
	}
	return path, CheckSocketPath(path)
}

// runtimeDir looks for systemd's folder itself where the variable is missing:
// under cron, sudo and some ssh set-ups it is.
func runtimeDir(lookup func(string) (string, bool)) string {
	if dir, ok := lookup("XDG_RUNTIME_DIR"); ok {
		if !filepath.IsAbs(dir) {
			return "" // the XDG specification: to be ignored
		}
		return dir
	}
	if runtime.GOOS != "linux" {
		return ""
	}
	dir := "/run/user/" + strconv.Itoa(os.Getuid())
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return ""
	}
	return dir
}

// CheckSocketPath refuses a path that does not fit into sun_path. The kernel's
// own word for it, "invalid argument", helps nobody.
func CheckSocketPath(path string) error {
	if len(path) < sunPath() { // one byte is the final NUL's
		return nil
	}
	return protocol.Errorf(protocol.CodeBadRequest, "socket path has %d bytes, this system takes at most %d: %s\nset FALCRED_SOCKET to a shorter one",
		len(path), sunPath()-1, path)
}

func sunPath() int {
	switch runtime.GOOS {
	case "linux", "windows":
		return 108
	}
	return 104 // darwin and the BSDs
}

func absolute(lookup func(string) (string, bool), name, path string) (string, error) {
	if path == "" {
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s is set but empty\nunset it, or give it an absolute path", name)
	}
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		home, err := userHome(lookup)
		if err != nil {
			return "", err
		}
		path = filepath.Join(home, rest)
	}
	if !filepath.IsAbs(path) || hasControl(path) {
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s is not an absolute path: %q\ngive it one that begins with /", name, path)
	}
	return filepath.Clean(path), nil
}

// userHome asks the user database when the environment says nothing: service
// managers and cron may start a process without HOME.
func userHome(lookup func(string) (string, bool)) (string, error) {
	name := "HOME"
	if runtime.GOOS == "windows" {
		name = "USERPROFILE"
	}
	if home, _ := lookup(name); filepath.IsAbs(home) {
		return filepath.Clean(home), nil
	} else if home != "" {
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s is not an absolute path: %q", name, home)
	}
	u, err := user.Current()
	if err != nil || !filepath.IsAbs(u.HomeDir) {
		return "", protocol.Errorf(protocol.CodeInternal, "no home folder: %s is unset and the user database names none\nset FAL_HOME_DIR", name)
	}
	return filepath.Clean(u.HomeDir), nil
}

func hasControl(path string) bool {
	return strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
