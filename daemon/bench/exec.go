//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// execs measures whole processes: from before the fork to after the exit. They run
// where the scheduler puts them, as a shell's do, and once more on one core.
func execs(l *lab) ([]figure, error) {
	daemon, _, err := l.falcred(false)
	if err != nil {
		return nil, err
	}
	defer l.end(daemon)
	question := filepath.Join(l.dir, "question")
	if err := os.WriteFile(question, []byte("https://fal.run\n"), 0o600); err != nil {
		return nil, err
	}
	out, err := fed(l.program("docker-credential-fal", "get"), question).Output()
	if err != nil || !strings.Contains(string(out), `"Secret"`) {
		return nil, fmt.Errorf("the helper printed no credential: %w", err)
	}
	const helper, empty, cache, pinned = "docker-credential-fal get", "an empty Go program", "git credential-cache get", ", on one core"
	get := func() *exec.Cmd { return fed(l.program("docker-credential-fal", "get"), question) }
	nothing := func() *exec.Cmd { return l.program("empty") }
	sides := []side{
		{helper, func() (float64, error) { return whole(get(), free) }},
		{empty, func() (float64, error) { return whole(nothing(), free) }},
		{helper + pinned, func() (float64, error) { return whole(get(), onOneCore) }},
		{empty + pinned, func() (float64, error) { return whole(nothing(), onOneCore) }},
	}
	peer, stop, err := l.gitCache()
	if err != nil {
		fmt.Fprintln(os.Stderr, "not run: git credential-cache:", err)
	} else {
		defer stop()
		sides = append(sides, side{cache, func() (float64, error) { return whole(peer(), free) }})
	}
	all := map[string][]float64{}
	for range l.rounds {
		for _, program := range []string{"docker-credential-fal", "empty"} {
			if err := install(filepath.Join(l.dir, program)); err != nil {
				return nil, err
			}
		}
		round, err := inTurns(20, sides)
		if err != nil {
			return nil, err
		}
		for name, value := range round {
			all[name] = append(all[name], value)
		}
	}
	at := medians(all)
	figures := []figure{
		atMost(figure{What: helper, Value: at[helper], Unit: "µs", Peer: empty, Than: at[empty]}, 1.25),
		{What: helper + pinned, Value: at[helper+pinned], Unit: "µs", Peer: empty, Than: at[empty+pinned]},
	}
	if peer != nil {
		figures = append(figures, atMost(figure{What: helper, Value: at[helper], Unit: "µs", Peer: cache, Than: at[cache]}, 1.15))
	}
	return figures, nil
}

func fed(cmd *exec.Cmd, file string) *exec.Cmd {
	cmd.Stdin, _ = os.Open(file) // nothing to read shows as an error of the program
	return cmd
}

func free(start func() error) error { return start() }

// whole times a process.
func whole(cmd *exec.Cmd, placed func(start func() error) error) (float64, error) {
	if in, ok := cmd.Stdin.(*os.File); ok {
		defer in.Close()
	}
	var begun time.Time
	err := placed(func() error {
		begun = time.Now()
		return cmd.Start()
	})
	if err == nil {
		err = cmd.Wait()
	}
	return micro(time.Since(begun)), err
}

// gitCache is git's own helper in C, and its daemon, with one password in it. Its
// program is run itself, not through git.
func (l *lab) gitCache() (get func() *exec.Cmd, stop func(), err error) {
	folder, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		return nil, nil, err
	}
	program := filepath.Join(strings.TrimSpace(string(folder)), "git-credential-cache")
	private := filepath.Join(l.dir, "git")
	if err := os.Mkdir(private, 0o700); err != nil {
		return nil, nil, err
	}
	command := func(verb string) *exec.Cmd {
		cmd := exec.Command(program, "--socket", filepath.Join(private, "sock"), verb) // #nosec G204 -- git's own
		cmd.Env = l.env()
		return fed(cmd, filepath.Join(private, verb))
	}
	const entry = "protocol=https\nhost=fal.run\n"
	for verb, input := range map[string]string{"store": entry + "username=ann\npassword=" + strings.Repeat("x", 600) + "\n", "get": entry, "exit": ""} {
		if err := os.WriteFile(filepath.Join(private, verb), []byte(input), 0o600); err != nil {
			return nil, nil, err
		}
	}
	if err := command("store").Run(); err != nil {
		return nil, nil, err
	}
	stop = func() { command("exit").Run() }
	out, err := command("get").Output()
	if err != nil || !strings.Contains(string(out), "password=x") {
		stop()
		return nil, nil, fmt.Errorf("it gave no password: %w", err)
	}
	return func() *exec.Cmd { return command("get") }, stop, nil
}
