package service

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/packaging"
	"github.com/falcred/falcred/protocol/env"
)

// account is whose login the service serves.
type account struct {
	uid, gid, home string
}

// Of is the service of this environment's home, or the one of the machine for the user that
// runAs names. What a verb says goes to out, and what a manager's own tool complains of to
// errOut.
func Of(runAs string, out, errOut io.Writer) (*Service, error) {
	s := &Service{name: "falcred", System: runAs != "", out: out, err: errOut, Env: map[string]string{}}
	if s.System {
		return s, s.ofMachine(runAs)
	}
	return s, s.ofUser()
}

func (s *Service) ofUser() error {
	if os.Geteuid() == 0 && os.Getenv("SUDO_USER") != "" && os.Getenv("SUDO_USER") != "root" {
		return fmt.Errorf("with sudo this would install a service for root's own login\nleave sudo out, or: sudo falcred service install --system --run-as %s", os.Getenv("SUDO_USER"))
	}
	u, err := user.Current()
	if err != nil {
		return err
	}
	s.User, s.account = u.Username, account{u.Uid, u.Gid, u.HomeDir}
	if s.Home, err = env.Home(os.LookupEnv); err != nil {
		return err
	}
	// That of the user database: a manager knows no other HOME.
	standard := filepath.Join(u.HomeDir, ".fal")
	if s.standard = s.Home == standard || same(s.Home, standard); s.standard { // by whatever name
		s.Home = standard
	}
	places, err := env.Sockets(os.LookupEnv, s.Home)
	if err != nil {
		return err
	}
	s.Socket = places[0].Path
	if !s.standard {
		s.name = nameOf(s.Home)
		s.Env["FAL_HOME_DIR"] = s.Home
	}
	if _, set := os.LookupEnv("FALCRED_SOCKET"); set {
		s.Env["FALCRED_SOCKET"] = s.Socket
	}
	return errors.Join(packaging.Check(s.Home), packaging.Check(s.Socket))
}

func (s *Service) ofMachine(name string) error {
	if err := machineServes(); err != nil {
		return err
	}
	u, err := lookUp(name)
	if err != nil {
		return fmt.Errorf("no user %q is known here\ngive --run-as a name that is", name)
	}
	s.User, s.account = u.Username, account{u.Uid, u.Gid, u.HomeDir}
	s.Home, s.standard = filepath.Join(u.HomeDir, ".fal"), true
	s.Socket = filepath.Join(s.Home, "falcred.sock")
	return nil
}

// mayChange says why this user, or this environment, cannot change the service.
func (s *Service) mayChange(verb string) error {
	if !s.System {
		return nil
	}
	if _, set := os.LookupEnv("FAL_HOME_DIR"); set {
		return errors.New("a --system service serves its user's ~/.fal\nunset FAL_HOME_DIR")
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("a service of the machine needs root\n%s", s.Line(verb))
	}
	return nil
}

// lookUp asks getent too: a static program reads /etc/passwd only, and users can
// be a directory service's.
func lookUp(name string) (*user.User, error) {
	u, err := user.Lookup(name)
	if err == nil {
		return u, nil
	}
	line, getentErr := exec.Command("getent", "passwd", "--", name).Output() // #nosec G204 -- one argument, and no shell
	fields := strings.Split(strings.TrimSpace(string(line)), ":")
	if getentErr != nil || len(fields) < 7 {
		return nil, err
	}
	return &user.User{Username: fields[0], Uid: fields[2], Gid: fields[3], HomeDir: fields[5]}, nil
}

// nameOf tells homes apart, and lets a person do so too.
func nameOf(home string) string {
	plain := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, filepath.Base(filepath.Dir(home))+filepath.Base(home))
	sum := sha256.Sum256([]byte(home))
	return fmt.Sprintf("falcred-%.20s-%x", plain, sum[:4])
}

// stableSelf is the path of this program that will still be it after an
// upgrade: the name that it was found under, not the file that this leads to.
func stableSelf() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if temporary(self) {
		return "", fmt.Errorf("this falcred is in a temporary folder: %s\ninstall it first, for example: CGO_ENABLED=0 go install ./cmd/falcred ./cmd/docker-credential-fal", filepath.Dir(self))
	}
	if found, err := exec.LookPath(os.Args[0]); err == nil {
		if found, err = filepath.Abs(found); err == nil && same(found, self) {
			self = found
		}
	}
	// Homebrew removes a version's folder at the next upgrade, and keeps bin.
	if prefix, _, cellar := strings.Cut(self, "/Cellar/"); cellar {
		linked := filepath.Join(prefix, "bin", filepath.Base(self))
		if !same(linked, self) {
			return "", fmt.Errorf("%s will be removed at the next upgrade\nlink it first: brew link falcred", self)
		}
		self = linked
	}
	return self, packaging.Check(self)
}

// temporary: `go run` builds into a folder that it removes.
func temporary(path string) bool {
	for dir := filepath.Dir(path); filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if strings.HasPrefix(filepath.Base(dir), "go-build") || same(dir, os.TempDir()) {
			return true
		}
	}
	return false
}

func same(a, b string) bool {
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB)
}

// strayed are variables of this shell that the service will not see.
func strayed(environ []string) (names []string) {
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		known := name == "FALCRED_SOCKET" || name == "FALCRED_AUTOSTART"
		if strings.HasPrefix(name, "FALCRED_") && !known || name == "HTTPS_PROXY" || name == "SSL_CERT_FILE" {
			names = append(names, name)
		}
	}
	return names
}

// Here are the services that may serve this environment's home: the user's own, and the
// machine's for him where the home is the standard one.
func Here(out io.Writer) (list []*Service) {
	own, err := Of("", out, out)
	if err != nil {
		return nil
	}
	if !own.standard || len(own.Env) > 0 {
		return []*Service{own}
	}
	machines, err := Of(own.User, out, out)
	if err != nil {
		return []*Service{own}
	}
	return []*Service{own, machines}
}
