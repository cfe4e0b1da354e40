package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/falcred/falcred/daemon/doctor"
)

// lingerFolder is where logind keeps whose services outlive their logins.
const lingerFolder = "/var/lib/systemd/linger"

// examineService says how the daemon is started on this machine. None of it is
// wrong: a helper starts a daemon where no service does.
func examineService(ctx context.Context) doctor.Finding {
	f := doctor.Finding{Check: "service", Result: doctor.OK}
	me, err := user.Current()
	if _, missing := exec.LookPath("systemctl"); missing != nil || err != nil {
		f.Text = "no systemd to ask: docker-credential-fal starts the daemon when it is needed"
		return f
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	switch {
	case enabled(ctx, "falcred@"+me.Username+".service"):
		f.Text = "enabled for your user by the machine, whether you are logged in or not"
	case !enabled(ctx, "--user", "falcred.socket", "falcred.service"):
		f.Text = "none installed: docker-credential-fal starts the daemon when it is needed (falcred service install)"
	default:
		f.Text = "enabled for your user, and goes on when you log out"
		if _, err := os.Stat(filepath.Join(lingerFolder, me.Username)); errors.Is(err, fs.ErrNotExist) {
			f.Text = "enabled for your user, and ends when you log out (to keep it: loginctl enable-linger)"
		}
	}
	return f
}

// enabled reads one line for each unit; the exit status is the worst one's.
func enabled(ctx context.Context, args ...string) bool {
	out, _ := exec.CommandContext(ctx, "systemctl", append([]string{"is-enabled"}, args...)...).Output() // #nosec G204 -- systemctl, as found on PATH
	return strings.Contains("\n"+string(out), "\nenabled")
}
