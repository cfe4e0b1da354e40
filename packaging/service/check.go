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
	without, err := s.checked(ctx, program)
	lines := s.ofThisShell()
	if err == nil && len(lines) == 0 {
		return nil
	}
	mended := false
	if len(lines) > 0 {
		with, withErr := s.checked(ctx, program, lines...)
		mended = withErr == nil
		if err == nil && mended && with != without { // it would take the home for another issuer's
			err = errors.New("the service would use another issuer than this shell names. " + without)
		}
	}
	if err == nil {
		return nil
	}
	text, hint, _ := strings.Cut(err.Error(), "\n")
	if mended {
		hint = "the service does not get the variables of this shell: " + addLines(s.Home, s.envFile(), lines)
	}
	hint = cmp.Or(hint, "correct that in "+s.envFile())
	return fmt.Errorf("nothing is installed: the service could not serve this login. %s\n%s", text, hint)
}

// checked is what `falcred run --check` says.
func (s *Service) checked(ctx context.Context, program string, more ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "run", "--check") // #nosec G204 -- ourselves
	said, err := s.outputOf(cmd, more...)
	said = strings.TrimPrefix(strings.TrimSpace(said), "falcred: ")
	switch exit := new(exec.ExitError); {
	case err == nil:
		return said, nil
	case !errors.As(err, &exit) || said == "":
		return "", fmt.Errorf("%s run --check fails: %w", program, err)
	}
	return "", errors.New(said)
}

// outputOf runs a command of ours as the user whose login is served, in the service's
// environment and some more, and returns all that it says.
func (s *Service) outputOf(cmd *exec.Cmd, more ...string) (said string, err error) {
	cmd.Env, cmd.Dir, cmd.WaitDelay = append(s.environment(), more...), string(filepath.Separator), time.Second
	if err := s.asUser(cmd); err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// ofThisShell are the variables that name the issuer here, and that the service does not see.
func (s *Service) ofThisShell() (lines []string) {
	for _, name := range []string{"FALCRED_ISSUER", "FALCRED_CLIENT_ID"} {
		if value := os.Getenv(name); value != "" && !s.System {
			lines = append(lines, name+"="+value)
		}
	}
	return lines
}

func (s *Service) envFile() string { return filepath.Join(s.Home, "falcred.env") }
