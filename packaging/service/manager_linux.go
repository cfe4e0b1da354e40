package service

import (
	"errors"
	"os"
	"path/filepath"
)

// instead is what there is where no service can be.
const instead = "docker-credential-fal starts falcred by itself; to have it always: falcred run"

// manager is what runs on this machine, not what is installed: what a PATH leads to differs
// between a user and root.
func (s *Service) manager() (manager, error) { return s.managerOf(isFolder) }

func (s *Service) managerOf(isFolder func(path string) bool) (manager, error) {
	switch {
	case isFolder("/run/systemd/system"):
		return systemd{s}, nil
	case !s.System:
		return desktop{s}, nil // of the others none serves users
	case isFolder("/run/openrc"):
		return openRC(s), nil
	case isFolder("/etc/init.d"):
		return sysV(s), nil
	}
	return nil, errors.New("no service manager that falcred knows runs on this machine: systemd, OpenRC, or an init with /etc/init.d\n" + instead)
}

// configFolder is the user's (XDG Base Directory Specification).
func (s *Service) configFolder() string {
	if config := os.Getenv("XDG_CONFIG_HOME"); filepath.IsAbs(config) {
		return config
	}
	return filepath.Join(s.account.home, ".config")
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
