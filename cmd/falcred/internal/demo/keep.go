package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/envfile"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol/peer"
)

// playground is what `falcred demo --keep` leaves running: an issuer that knows some teams, a home
// that names it, and a daemon there.
type playground struct {
	*ui.Console
	home     home
	issuer   *idp.Server
	daemon   *child
	programs string // a folder for PATH, "" for none
}

// Keep makes one, says how a shell uses it, and removes all of it when ctx ends.
func Keep(ctx context.Context, out io.Writer) error {
	console, printing := console(ctx, out)
	p := &playground{Console: console}
	err := p.prepare(printing)
	if err == nil {
		p.invite()
		<-printing.Done()
		p.print("", "ending…")
	}
	if left := p.clean(); left != nil {
		return left
	}
	if err == nil && ctx.Err() != nil {
		p.farewell()
		return nil
	}
	return ended(printing, err)
}

// farewell says what is left in the other terminal: names of what is gone.
func (p *playground) farewell() {
	p.print("the daemon has ended, and the home is removed; the other terminal still",
		"names it: close it, or there:", "")
	p.Say("%s", forget("FAL_HOME_DIR", "FAL_CONFIG_PATH"))
	if p.programs != "" {
		p.Say("%s", offPath(p.programs))
	}
}

func (p *playground) prepare(ctx context.Context) (err error) {
	if !peer.Serves {
		return peer.ErrNotServed
	}
	folders := slices.Concat(ownFolders(), temporaryFolders())
	sweep(p.Console, folders)
	if p.home, err = makeHome(folders); err != nil {
		return err
	}
	if p.programs, err = p.findPrograms(); err != nil {
		return err
	}
	p.issuer, err = idp.Start(idp.Config{Interval: time.Second, Teams: []idp.Team{
		{Nickname: "acme", FullName: "Acme Inc.", UserID: "team_acme"},
		{Nickname: "beta", FullName: "Beta Ltd.", UserID: "team_beta"},
	}})
	if err != nil {
		return err
	}
	lines := []string{
		"FALCRED_ISSUER=" + p.issuer.URL,
		"FALCRED_CLIENT_ID=" + clientID,
		"FALCRED_NOTIFY=0", // this login is nobody's
		"FAL_REST_HOST=" + p.issuer.URL,
		"FAL_CONFIG_PATH=" + p.config(),
	}
	err = os.WriteFile(filepath.Join(p.home.path, envfile.Name), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
	if err != nil {
		return err
	}
	p.daemon, err = startDaemon(ctx, p.environment(), p.home.socket)
	return err
}

// config is the fal config of this home: team set is not to change the user's own.
func (p *playground) config() string { return filepath.Join(p.home.path, "config.toml") }

type setting struct{ name, value string }

// settings are what a shell needs to be about this home, and not the user's.
func (p *playground) settings() []setting {
	return []setting{{"FAL_HOME_DIR", p.home.path}, {"FAL_CONFIG_PATH", p.config()}}
}

// meddles says whether a variable of the user's would have a say here.
func meddles(entry string) bool {
	name := strings.ToUpper(entry)
	return strings.HasPrefix(name, "FAL_") || strings.HasPrefix(name, "FALCRED_")
}

// environment is what the shell has after the lines that invite prints.
func (p *playground) environment() []string {
	env := slices.DeleteFunc(os.Environ(), meddles)
	for _, s := range p.settings() {
		env = append(env, s.name+"="+s.value)
	}
	return env
}

// invite prints the lines for another shell, and what can be tried there.
func (p *playground) invite() {
	p.print("A playground for falcred: it needs no account and no network, and your own login",
		"and fal config stay as they are. In place of fal's, an identity provider runs at",
		p.issuer.URL+", and a daemon with its home in",
		p.home.path+".",
		"",
		p.Bold("In another terminal, these lines make falcred use it, in that terminal only:"), "")
	for _, s := range p.settings() {
		p.Say("%s", assign(s.name, s.value))
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if meddles(entry) && name != "FAL_HOME_DIR" && name != "FAL_CONFIG_PATH" {
			p.Say("%s", forget(name))
		}
	}
	if p.programs != "" {
		p.Say("%s", onPath(p.programs))
	}
	if !nobodyElses(p.home.path) {
		p.print("", "Others can make a folder of that name when this has ended: close that terminal",
			"before. You have no folder of your own in which the home could be.")
	}
	p.print("", p.Bold("Then try there:"), "")
	for _, try := range []setting{
		{"falcred login", "open the address that it shows, and press Approve"},
		{"falcred whoami", "who is logged in"},
		{"falcred status", "what this shell would send, and for whom"},
		{"falcred token", "the credential itself; no server of fal's knows it"},
		{"falcred team list", "and: falcred team set acme"},
		{"falcred history", "what has happened to the login"},
		{"falcred doctor", "what does not work on this machine"},
		{"falcred logout", "end the login"},
	} {
		p.Say("%-20s%s", try.name, try.value)
	}
	p.print("", "Without a browser, approve with the code that falcred login shows:", "")
	p.Say("%s", approval(p.issuer.URL+"/activate"))
	p.print("", "A request with that credential, to that identity provider:", "")
	p.Say("%s", request(p.issuer.URL+"/userinfo"))
	p.print("", "\"falcred service install\" there writes a file among your services; Ctrl-C here",
		"removes that, too.", "", "Ctrl-C here ends it all, and removes the home.")
}

func (p *playground) print(lines ...string) {
	for _, line := range lines {
		fmt.Fprintln(p.Out, line)
	}
}

// clean ends whatever serves the home, whoever has started it, and removes the home. The issuer goes
// first: a daemon would wait for its answer. What has not ended needs its home, so that it can be
// ended by hand, or by the next demo.
func (p *playground) clean() error {
	if p.issuer != nil {
		p.issuer.Close()
	}
	if p.home.path == "" {
		return nil
	}
	err := p.uninstall()
	if p.daemon != nil {
		p.daemon.end()
	}
	if err = errors.Join(err, p.stop()); err == nil {
		return p.home.remove()
	}
	p.home.unlock()
	lines := []string{assign("FAL_HOME_DIR", p.home.path), "falcred service uninstall", "falcred stop", remove(p.home.path)}
	if p.programs != "" {
		lines = slices.Insert(lines, 1, onPath(p.programs))
	}
	return fmt.Errorf("not all of the demo in %s has ended:\n%w\nthe next falcred demo tries again; or in a new terminal:\n%s",
		p.home.path, err, strings.Join(lines, "\n"))
}

// uninstall removes a service of this home. It may fail where there is none, and no manager of services:
// only what status knows of is left behind.
func (p *playground) uninstall() error {
	err := p.command("service", "uninstall")
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if known := p.command("service", "status"); errors.As(known, &exit) && (exit.ExitCode() == 1 || exit.ExitCode() == 4) {
		return nil
	}
	return err
}

// stop asks twice: a daemon that is ending already may leave the first question without an answer.
func (p *playground) stop() error {
	if p.command("stop") == nil {
		return nil
	}
	return p.command("stop")
}

// endPatience bounds each command that ends something: all of them are quick where all is well.
const endPatience = 15 * time.Second

// command runs this very program, about this home. A second Ctrl-C does not reach it.
func (p *playground) command(args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), endPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, args...) // #nosec G204 -- this very program
	cmd.Args[0] = "falcred"
	cmd.Env = p.environment()
	cmd.WaitDelay = time.Second
	apart(cmd)
	said, err := cmd.CombinedOutput()
	what := "falcred " + strings.Join(args, " ")
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s took longer than %s", what, endPatience)
	case err != nil:
		return fmt.Errorf("%s: %w: %s", what, err, strings.TrimSpace(string(said)))
	}
	return nil
}
