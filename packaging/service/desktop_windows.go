package service

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"unicode/utf16"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

// The entry of a Windows session is a value of the user's Run key. falcred is a program for
// consoles, and would have a window there: conhost gives it a console without one. What only a
// login does, the run of that line, has never been tried on a real Windows.

const runKey = `Software\Microsoft\Windows\CurrentVersion\Run`

// maxRunLine is how long a line of the Run key may be, by its documentation.
const maxRunLine = 260

func (d desktop) entry() string { return `HKCU\` + runKey + `\` + d.name }

// session is the manager's name, to people, and unit the entry's.
const session = "Windows"

func (d desktop) unit() string { return "logon entry " + d.name }

// args are how the daemon of this home is run: a line of the Run key names no variables.
func (d desktop) args() []string {
	args := []string{"run", "--home", d.Home}
	if socket, named := d.Env["FALCRED_SOCKET"]; named {
		args = append(args, "--socket", socket)
	}
	return args
}

func (d desktop) line(program string) (string, error) {
	system, err := windows.GetSystemDirectory()
	if err != nil {
		return "", err
	}
	conhost := filepath.Join(system, "conhost.exe")
	line := windows.ComposeCommandLine(append([]string{conhost, "--headless", program}, d.args()...))
	if n := len(utf16.Encode([]rune(line))); n > maxRunLine {
		return "", fmt.Errorf("the line that starts falcred has %d characters, and Windows starts none of more than %d: %s\ninstall falcred in a folder of a shorter path", n, maxRunLine, line)
	}
	return line, nil
}

func (d desktop) entered() bool {
	line, _ := d.read()
	return line != ""
}

func (d desktop) read() (line string, err error) {
	key, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.QUERY_VALUE)
	if err != nil {
		return "", err
	}
	defer key.Close()
	line, _, err = key.GetStringValue(d.name)
	return line, err
}

func (d desktop) enter(program string) error {
	line, err := d.line(program)
	if err != nil {
		return err
	}
	if old, _ := d.read(); old == line {
		d.say("unchanged %s", d.entry())
		return nil
	}
	key, _, err := registry.CreateKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", d.entry(), err)
	}
	defer key.Close()
	if err := key.SetStringValue(d.name, line); err != nil {
		return fmt.Errorf("%s cannot be written: %w", d.entry(), err)
	}
	d.say("wrote %s: %s", d.entry(), line)
	return nil
}

func (d desktop) leave() error {
	key, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if errors.Is(err, registry.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s cannot be removed: %w", d.entry(), err)
	}
	defer key.Close()
	switch err := key.DeleteValue(d.name); {
	case err == nil:
		d.say("removed %s", d.entry())
	case !errors.Is(err, registry.ErrNotExist):
		return fmt.Errorf("%s cannot be removed: %w", d.entry(), err)
	}
	return nil
}

func (d desktop) installed() string { return "falcred runs, and starts when you log in" }

// machines: Windows has no services for users' logins, so that none can be in the way.
func (d desktop) machines() error { return nil }

// letGo leaves a daemon that was started and does not answer alone: it has no console, so that it
// could only be killed, and it may be refreshing by now. Once it answers, it can be stopped.
func letGo(*os.Process) {}

// spawn starts a daemon that outlives us, our console and, where that may be, our job: some
// terminals end what was started in them.
func (d desktop) spawn(program string) (*exec.Cmd, error) {
	start := func(more uint32) (*exec.Cmd, error) {
		cmd := exec.Command(program, d.args()...) // #nosec G204 -- ourselves
		cmd.Env, cmd.Dir = d.environment(), filepath.VolumeName(program)+`\`
		cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.DETACHED_PROCESS | windows.CREATE_NEW_PROCESS_GROUP | more}
		return cmd, cmd.Start()
	}
	cmd, err := start(windows.CREATE_BREAKAWAY_FROM_JOB)
	if errors.Is(err, windows.ERROR_ACCESS_DENIED) { // the job lets nobody go
		cmd, err = start(0)
	}
	return cmd, err
}
