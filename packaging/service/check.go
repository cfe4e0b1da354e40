package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// checkPatience is how long a look at the configuration may take: a home on a network that is
// away would hold it.
const checkPatience = 20 * time.Second

// wouldStart has falcred look at its configuration as the service would, as the user whose
// login is served, and with nothing of this shell's environment. A mistake that would end the
// service at each start (S11) is told before anything is written.
func (s *Service) wouldStart(ctx context.Context, program string) error {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "run", "--check") // #nosec G204 -- ourselves
	cmd.Env, cmd.Dir, cmd.WaitDelay = s.environment(), string(filepath.Separator), time.Second
	if err := s.asUser(cmd); err != nil {
		return err
	}
	said, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	text := strings.TrimPrefix(strings.TrimSpace(string(said)), "falcred: ")
	if exit := new(exec.ExitError); !errors.As(err, &exit) || text == "" {
		return fmt.Errorf("nothing is installed, since %s run --check fails: %w\n%s", program, err, text)
	}
	text, hint, _ := strings.Cut(text, "\n")
	hint = cmp.Or(s.missing(), hint, "correct that in "+s.envFile()+": a service sees nothing of this shell")
	return fmt.Errorf("nothing is installed: the service could not start. %s\n%s", text, hint)
}

// missing is what to write so that the service sees what this shell has, where that is what
// differs.
func (s *Service) missing() string {
	if s.System {
		return ""
	}
	for _, name := range strayed(os.Environ()) {
		if name == "FALCRED_ISSUER" || name == "FALCRED_CLIENT_ID" {
			lines := ""
			for _, name := range []string{"FALCRED_ISSUER", "FALCRED_CLIENT_ID"} {
				if value := os.Getenv(name); value != "" {
					lines += name + "=" + value + `\n`
				}
			}
			return "a service sees nothing of this shell: printf '" + strings.ReplaceAll(lines, "'", `'\''`) + "' >>" + shellWord(s.envFile())
		}
	}
	return ""
}

func (s *Service) envFile() string { return filepath.Join(s.Home, "falcred.env") }
