//go:build linux || darwin

package service

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"github.com/falcred/falcred/protocol/strict"
)

// program is what the service runs. For one of the machine root alone, as whom this runs, may
// change it, or any folder or link on the way to it.
func (s *Service) program() (string, error) {
	path, err := stableSelf()
	if err != nil || !s.System {
		return path, err
	}
	at := path
	if err := strict.File(path); err != nil {
		t := strict.As(err)
		if t == nil {
			return "", err
		}
		at = t.Path
	} else {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if ok && stat.Uid == 0 && info.Mode().Perm()&0o002 == 0 && (info.Mode().Perm()&0o020 == 0 || stat.Gid == 0) {
			return path, nil
		}
	}
	return "", fmt.Errorf("users other than root can change %s, which the service would run\ninstall it where only root can write: sudo install falcred docker-credential-fal /usr/local/bin", at)
}

// asUser has a command run as the user whose login is served.
func (s *Service) asUser(cmd *exec.Cmd) error {
	if !s.System {
		return nil
	}
	uid, errUID := strconv.ParseUint(s.account.uid, 10, 32)
	gid, errGID := strconv.ParseUint(s.account.gid, 10, 32)
	if err := errors.Join(errUID, errGID); err != nil {
		return err
	}
	// In a session of its own: root's terminal is not for that user, who can stop or trace it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return nil
}

// session is what a service manager gives a daemon, about: nothing of this shell.
func (s *Service) session() []string {
	return []string{"HOME=" + s.account.home, "USER=" + s.User, "LOGNAME=" + s.User, "PATH=/usr/local/bin:/usr/bin:/bin"}
}
