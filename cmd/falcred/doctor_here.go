package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
)

// examineDaemon makes findings of what `status` has found. A warning of the daemon's about what
// is found here too, which has the same hint, is no second one.
func examineDaemon(ctx context.Context, s *standing, found []doctor.Finding) []doctor.Finding {
	switch {
	case said(found, s.Error):
		return nil
	case s.Error != "":
		return []doctor.Finding{{Check: "daemon", Result: doctor.Fail, Text: s.Error, Hint: s.Hint}}
	case s.Daemon == nil && !peer.Serves:
		text, hint, _ := strings.Cut(peer.ErrNotServed.Error(), "\n")
		return []doctor.Finding{{Check: "daemon", Result: doctor.Fail, Text: text, Hint: hint}}
	case s.Daemon == nil:
		return []doctor.Finding{{Check: "daemon", Result: doctor.Warn, Text: "not running: nothing refreshes the login ahead of time",
			Hint: startLine(ctx) + " (docker-credential-fal starts it by itself)"}}
	}
	d := s.Daemon
	findings := []doctor.Finding{{Check: "daemon", Result: doctor.OK, Text: fmt.Sprintf("pid %d answers on %s", d.PID, d.Socket)}}
	if d.Version != version() {
		findings = append(findings, doctor.Finding{Check: "version", Result: doctor.Warn,
			Text: fmt.Sprintf("the daemon is %s and this program is %s", d.Version, version()), Hint: "restart it: falcred restart"})
	}
	if d.LastError != "" {
		result := doctor.Warn
		if d.State == protocol.StateLoginRequired || d.State == protocol.StateUnavailable {
			result = doctor.Fail
		}
		findings = append(findings, doctor.Finding{Check: "login", Result: result, Text: d.LastError, Hint: d.Hint})
	}
	for _, warning := range d.Warnings {
		text, hint, _ := strings.Cut(warning, "\n")
		if hint != "" && slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Hint == hint }) {
			continue
		}
		findings = append(findings, doctor.Finding{Check: "warning", Result: doctor.Warn, Text: text, Hint: hint})
	}
	return findings
}

// examineHelper finds the helper as a script would, else beside this program.
func examineHelper(ctx context.Context) doctor.Finding {
	const name = "docker-credential-fal"
	path, err := exec.LookPath(name)
	if err != nil {
		self, _ := os.Executable()
		path = filepath.Join(filepath.Dir(self), name)
		if ext := filepath.Ext(self); ext == ".exe" {
			path += ext
		}
		if _, err := os.Stat(path); err != nil {
			return doctor.Finding{Check: "helper", Result: doctor.Warn, Text: name + " is not on PATH", Hint: "install it beside falcred, in a folder of PATH"}
		}
		return doctor.Finding{Check: "helper", Result: doctor.Warn, Text: path + " is not on PATH", Hint: "add its folder to PATH"}
	}
	ctx, cancel := context.WithTimeout(ctx, statusPatience) // it may be any program of that name
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version") // #nosec G204 -- a falcred on PATH, asked for its version
	cmd.WaitDelay = time.Second
	out := capped{most: 4 << 10}
	cmd.Stdout = &out
	err = cmd.Run()
	fields := strings.Fields(string(out.text)) // docker-credential-fal (module) VERSION
	if err != nil || len(fields) < 3 {
		text := path + " does not print its version"
		if err != nil {
			text += ": " + err.Error()
		}
		return doctor.Finding{Check: "helper", Result: doctor.Fail, Text: text, Hint: "reinstall it"}
	}
	if theirs := fields[len(fields)-1]; theirs != version() && theirs != "(devel)" {
		return doctor.Finding{Check: "helper", Result: doctor.Warn, Text: fmt.Sprintf("%s is %s and this program is %s", path, theirs, version()), Hint: "install both from one version"}
	}
	return doctor.Finding{Check: "helper", Result: doctor.OK, Text: path}
}

// capped keeps the first bytes of what a program prints; more is an error, which ends it.
type capped struct {
	text []byte
	most int
}

func (c *capped) Write(p []byte) (int, error) {
	if len(c.text)+len(p) > c.most {
		return 0, errors.New("it prints too much")
	}
	c.text = append(c.text, p...)
	return len(p), nil
}

// examineKeys says what wins over the login, here and in fal's own programs.
func examineKeys(getenv func(string) string, cfg daemon.Config) []doctor.Finding {
	var findings []doctor.Finding
	if cfg.KeyRefused != nil {
		text, hint, _ := strings.Cut(cfg.KeyRefused.Error(), "\n")
		findings = append(findings, doctor.Finding{Check: "key", Result: doctor.Fail, Text: text, Hint: hint})
	}
	key, ok := env.FindKey(getenv)
	switch {
	case ok:
		findings = append(findings, doctor.Finding{Check: "key", Result: doctor.Warn, Text: keyWins(key.Source, " here", "a"), Hint: keyHint(key.Source)})
	case cfg.Key.Source != "" && !env.ForceUser(getenv):
		findings = append(findings, doctor.Finding{Check: "key", Result: doctor.Warn, Text: keyWins(cfg.Key.Source, " in falcred.env", "a"),
			Hint: envKeyHint})
	default:
		findings = append(findings, doctor.Finding{Check: "key", Result: doctor.OK, Text: "no key is set here: the login is used"})
	}
	for _, key := range []env.Key{key, cfg.Key} { // of this shell, and of falcred.env
		doubt := doctor.Finding{Check: "key", Result: doctor.Warn}
		doubt.Text, doubt.Hint, _ = strings.Cut(key.Doubt(), "\n")
		if doubt.Text != "" && !slices.Contains(findings, doubt) { // cfg.Key can be the same
			findings = append(findings, doubt)
		}
	}
	profile, hasKey, err := cfg.FalConfig.Key(getenv("FAL_PROFILE"))
	if err == nil && hasKey && !env.ForceUser(getenv) { // package doctor says where it cannot be read
		findings = append(findings, doctor.Finding{Check: "fal config", Result: doctor.Warn,
			Text: fmt.Sprintf("the profile %q has a key, which the fal CLI prefers to the login; fal's SDK and falcred do not", profile),
			Hint: profileHint(getenv)})
	}
	return findings
}

// examineTeam: a daemon follows the fal config of its own environment, which
// may name another team than this shell's.
func examineTeam(d *protocol.Status, cfg daemon.Config) []doctor.Finding {
	if d == nil || cfg.REST == "" {
		return nil
	}
	team, err := cfg.FalConfig.Team()
	if err != nil || strings.EqualFold(team, d.Team) {
		return nil // package doctor says where a config cannot be read
	}
	return []doctor.Finding{{Check: "team", Result: doctor.Warn,
		Text: fmt.Sprintf("the daemon attributes requests to %s, and %s names %s", teamOr(d.Team), cfg.FalConfig.Path, teamOr(team)),
		Hint: "if that lasts, give the daemon the same FAL_CONFIG_PATH: in falcred.env"}}
}

// examineNamedTeam says what status has found about the team that FALCRED_TEAM names.
func examineNamedTeam(s shell, found []doctor.Finding) []doctor.Finding {
	if env.Team(os.LookupEnv) == nil {
		return nil
	}
	team := doctor.Finding{Check: "team", Result: doctor.Fail, Text: s.Note, Hint: s.Hint}
	if s.Usable {
		team.Result = doctor.Warn
		team.Text, team.Hint, _ = strings.Cut(s.Warning, "\n")
	}
	if s.Source != sourceLogin && !s.Usable || team.Text == "" || said(found, team.Text) {
		return nil
	}
	return []doctor.Finding{team}
}

func teamOr(name string) string {
	if name == "" {
		return "the personal account"
	}
	return fmt.Sprintf("team %q", name)
}
