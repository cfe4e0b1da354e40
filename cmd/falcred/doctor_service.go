package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon"
)

// lingerFolder is where logind keeps whose services outlive their logins.
const lingerFolder = "/var/lib/systemd/linger"

// examineService says how the daemon is started on this machine. None of it is
// wrong: a helper starts a daemon where no service does.
func examineService() daemon.Finding {
	f := daemon.Finding{Check: "service", Result: daemon.OK}
	systemctl, err := exec.LookPath("systemctl")
	if err != nil {
		f.Text = "no systemd to ask: docker-credential-fal starts the daemon when it is needed"
		return f
	}
	// One line for each unit; the exit status is that of the worst.
	out, _ := exec.Command(systemctl, "--user", "is-enabled", "falcred.socket", "falcred.service").Output()
	if !strings.Contains("\n"+string(out), "\nenabled") {
		f.Text = "none installed: docker-credential-fal starts the daemon when it is needed (falcred service install)"
		return f
	}
	f.Text = "enabled for your user, and goes on when you log out"
	if me, err := user.Current(); err == nil {
		if _, err := os.Stat(filepath.Join(lingerFolder, me.Username)); errors.Is(err, fs.ErrNotExist) {
			f.Text = "enabled for your user, and ends when you log out (to keep it: loginctl enable-linger)"
		}
	}
	return f
}
