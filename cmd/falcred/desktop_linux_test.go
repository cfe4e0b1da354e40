package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// S12: a daemon that knows no more of a desktop than its user's folder tells it of the login's
// end, unless it is not to, in the environment or in falcred.env, or a login waits.
func TestDaemonTellsTheDesktop_S12(t *testing.T) {
	for what, tt := range map[string]struct {
		variable, file string
		waits          bool
		shown          int
	}{
		"told":                        {variable: "", shown: 1},
		"not by the environment":      {variable: "0"},
		"not by falcred.env":          {file: "FALCRED_NOTIFY=0\n"},
		"not while somebody logs in":  {waits: true},
		"told, whatever else it says": {variable: "yes", file: "FALCRED_NOTIFY=0\n", shown: 1},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			h := testkit.NewHouse(t, idp.Config{Interval: time.Second})
			run := testkit.ShortDir(t)
			d := testkit.StartDesktop(t, run)
			h.Must(os.WriteFile(h.Home+"/falcred.env", []byte(tt.file), 0o600))
			refresh, access := h.SignIn("ann")
			falcred := func(args ...string) *exec.Cmd {
				self, err := os.Executable()
				h.Must(err)
				cmd := exec.Command(self)
				cmd.Args = append([]string{"falcred"}, args...)
				for _, entry := range h.Env() {
					if !strings.HasPrefix(entry, "FALCRED_NOTIFY=") {
						cmd.Env = append(cmd.Env, entry)
					}
				}
				cmd.Env = append(cmd.Env, "XDG_RUNTIME_DIR="+run)
				if tt.variable != "" {
					cmd.Env = append(cmd.Env, "FALCRED_NOTIFY="+tt.variable)
				}
				return cmd
			}
			daemon := h.Start(falcred("run"))
			h.Dial().Close()
			if tt.waits {
				login := falcred("login", "--no-browser")
				out, err := login.StdoutPipe()
				h.Must(err)
				h.Start(login)
				_, err = bufio.NewReader(out).ReadString('\n') // where to confirm
				h.Must(err)
			}
			h.IDP.RevokeFamily(refresh)
			h.Must(testkit.Ask(h.Sock, `get {"ServerURL":"https://fal.run","Rejected":"`+access+`"}`, nil))
			var status protocol.Status
			if err := testkit.Ask(h.Sock, "status", &status); err != nil || status.State != protocol.StateLoginRequired {
				t.Errorf("the daemon's state is %q, %v", status.State, err)
			}
			daemon.Process.Signal(syscall.SIGTERM) // it says first what it has to say
			h.Must(testkit.Wait(daemon))
			if shown := d.Shown(); len(shown) != tt.shown {
				t.Errorf("shown: %v", shown)
			}
		})
	}
}
