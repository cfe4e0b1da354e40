package env

import (
	"cmp"
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"unicode"

	"github.com/falcred/falcred/protocol"
)

// TokenFile is the login's file in the home.
const TokenFile = "auth0_token" // #nosec G101 -- a file's name

// Placeholder is line 1 of a token file that `falcred follow` keeps, where programs
// look for a refresh token. It is none: whoever sends it to an issuer is refused,
// and nothing else comes of it.
const Placeholder = "falcred-follow.no-refresh-token.see-falcred-follow--help" // #nosec G101 -- a placeholder

// OnDemand is the variable that tells a daemon that docker-credential-fal has started it, and so
// that nobody else will see to it: it is 1 then.
const OnDemand = "FALCRED_ON_DEMAND"

// Inheritance is the variable that tells a daemon what the one before it has handed to it (S9).
const Inheritance = "FALCRED_INHERITANCE"

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

// Place is where a daemon may listen.
type Place struct {
	Path   string // of the socket
	Shared bool   // by all homes of a user: a client that finds a daemon there has to ask for its Home
}

// Sockets is where a daemon for home may listen, the first choice first: in the home, and
// in XDG_RUNTIME_DIR for homes that cannot hold a socket. FALCRED_SOCKET leaves no other
// choice. A path that no socket can have is none of them, at either end; where none is
// left the error is [ErrPathTooLong].
func Sockets(lookup func(string) (string, bool), home string) ([]Place, error) {
	if path, ok := lookup("FALCRED_SOCKET"); ok {
		path, err := absolute(lookup, "FALCRED_SOCKET", path)
		if err == nil {
			err = CheckSocketPath(path)
		}
		if err != nil {
			return nil, err
		}
		return []Place{{Path: path}}, nil
	}
	all := []Place{{Path: filepath.Join(home, socketName)}}
	if dir := RuntimeDir(lookup); dir != "" {
		all = append(all, Place{Path: filepath.Join(dir, socketName), Shared: true})
	}
	var fit []Place
	for _, place := range all {
		if CheckSocketPath(place.Path) == nil {
			fit = append(fit, place)
		}
	}
	if fit == nil {
		return nil, CheckSocketPath(all[0].Path)
	}
	return fit, nil
}

// ShareSocket is FALCRED_SHARE_SOCKET, "" where there is to be none. Whether a socket can
// have that path is for who listens there: [CheckSocketPath].
func ShareSocket(lookup func(string) (string, bool)) (string, error) {
	path, _ := lookup("FALCRED_SHARE_SOCKET")
	if path == "" {
		return "", nil
	}
	return absolute(lookup, "FALCRED_SHARE_SOCKET", path)
}

// RuntimeDir is the user's folder for sockets, "" where there is none. It looks for
// systemd's itself where the variable is missing: under cron, sudo and some ssh set-ups it is.
func RuntimeDir(lookup func(string) (string, bool)) string {
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

// ErrPathTooLong is the error for a path that no socket can have. Nobody listens there.
var ErrPathTooLong = errors.New("too long for a socket")

type pathTooLong struct{ error }

func (e pathTooLong) Unwrap() []error { return []error{e.error, ErrPathTooLong} }

// CheckSocketPath refuses a path that does not fit into sun_path: [ErrPathTooLong]. The
// kernel's own word for it, "invalid argument", helps nobody.
func CheckSocketPath(path string) error {
	if len(path) < sunPath() { // one byte is the final NUL's
		return nil
	}
	return pathTooLong{protocol.Errorf(protocol.CodeBadRequest, "socket path has %d bytes, this system takes at most %d: %s\nset FALCRED_SOCKET to a shorter one",
		len(path), sunPath()-1, path)}
}

func sunPath() int {
	switch runtime.GOOS {
	case "linux":
		return 108
	case "windows": // a file holds the socket's address
		return 260 // MAX_PATH
	}
	return 104 // darwin and the BSDs
}

// root is what an absolute path begins with, in words.
func root() string {
	if runtime.GOOS == "windows" {
		return `a drive, as C:\`
	}
	return "/"
}

// absolute is a path as fal's own programs expand it ([ExpandUser]). What it cannot take for the
// very folder that they take is refused.
func absolute(lookup func(string) (string, bool), name, given string) (string, error) {
	if given == "" {
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s is set but empty\nunset it, or give it an absolute path", name)
	}
	path, err := ExpandUser(lookup, name, given)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) || strings.ContainsFunc(path, unicode.IsControl) {
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s is not an absolute path: %q\ngive it one that begins with %s", name, given, root())
	}
	return withoutDots(name, path)
}

// ExpandUser is Python's os.path.expanduser, by which fal's own programs go: ~ is this user's
// home folder, ~user another's. The home of a user who is not known is an error, and no path.
// name is the variable that gives the path.
func ExpandUser(lookup func(string) (string, bool), name, given string) (string, error) {
	rest, ok := strings.CutPrefix(given, "~")
	if !ok {
		return given, nil
	}
	user, below := rest, ""
	if end := strings.IndexFunc(rest, separator); end >= 0 {
		user, below = rest[:end], rest[end:]
	}
	home, err := homeOf(lookup, name, user)
	if err != nil {
		return "", err
	}
	return cmp.Or(strings.TrimRightFunc(home, separator)+below, home), nil
}

func separator(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) } // #nosec G115 -- it is ASCII by then

// withoutDots leaves out what a path need not have. ".." behind a link leads the kernel, and
// fal's own programs, into another folder than the text says.
func withoutDots(name, path string) (string, error) {
	clean := filepath.Clean(path)
	end := strings.LastIndex(path+"/", "/../")
	if end < 0 {
		return clean, nil
	}
	dots := path[:end] + "/.."
	a, errA := os.Stat(dots)
	b, errB := os.Stat(filepath.Clean(dots))
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s goes through a link, or a folder that is not there, and back by ..: %q\ngive it the same path without ..", name, path)
	}
	return clean, nil
}

// homeOf is a user's home folder, or for "" our own.
func homeOf(lookup func(string) (string, bool), variable, name string) (string, error) {
	if name == "" {
		return userHome(lookup)
	}
	u, err := user.Lookup(name)
	if err != nil || !filepath.IsAbs(u.HomeDir) {
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s: the home of user %q is not known: passwd(5) has none of that name\ngive the path without ~", variable, name)
	}
	return u.HomeDir, nil
}

// userHome is HOME, as Python takes it: where that is set and empty it is the root folder.
// The user database is asked where it is not set: service managers and cron may start a
// process so.
func userHome(lookup func(string) (string, bool)) (string, error) {
	name := "HOME"
	if runtime.GOOS == "windows" {
		name = "USERPROFILE"
	}
	home, set := lookup(name)
	switch {
	case filepath.IsAbs(home):
		return withoutDots(name, home)
	case home != "":
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s is not an absolute path: %q\ncorrect it, or set FAL_HOME_DIR", name, home)
	case set && runtime.GOOS != "windows":
		return "/", nil
	}
	u, err := user.Current()
	if err != nil || !filepath.IsAbs(u.HomeDir) {
		return "", protocol.Errorf(protocol.CodeInternal, "no home folder: %s is unset, and the user database names none for user %d\nset FAL_HOME_DIR", name, os.Getuid())
	}
	return filepath.Clean(u.HomeDir), nil
}
