//go:build unix

package packaging_test

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/packaging"
)

// hostileScript is nothing that a name may be, and must stay within its place all the same.
var hostileScript = packaging.Script{Name: "falcred-" + hostile, User: hostile + "{{{", Group: hostile + "'", Home: hostile, Exec: hostile}

// sh runs a script of /etc/init.d, as a file, and returns what it prints and its exit status.
func sh(t *testing.T, text string, args ...string) (said string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(testkit.NeedTool(t, "sh"), append([]string{path}, args...)...).CombinedOutput()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}

// Both are whole for a shell, and hold nothing that the library which installs them would take
// for its own.
func TestScriptsAreClean(t *testing.T) {
	for name, text := range map[string]string{"OpenRC": packaging.OpenRC(hostileScript), "SysV": packaging.SysV(hostileScript)} {
		if strings.Contains(text, "{{") {
			t.Errorf("%s: two braces in\n%s", name, text)
		}
		cmd := exec.Command(testkit.NeedTool(t, "sh"), "-n")
		cmd.Stdin = strings.NewReader(text)
		if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
			t.Errorf("%s: %v\n%s\n%s", name, err, said, text)
		}
	}
}

// The script is read as OpenRC's supervise-daemon.sh does: sourced, and put into an eval.
func TestOpenRCQuotes(t *testing.T) {
	said, _ := sh(t, packaging.OpenRC(hostileScript)+`
eval printf "'[%s]\n'" $retry $directory $respawn_delay $respawn_max $respawn_period --user $command_user $umask $command -- $command_args`)
	want := "[TERM/25/KILL/5]\n[/]\n[2]\n[10]\n[600]\n[--user]\n[" + hostileScript.User + ":" + hostileScript.Group + "]\n[077]\n[" + hostile + "]\n[--]\n[run]\n[--syslog]\n"
	if said != want {
		t.Errorf("%s, want\n%s", said, want)
	}
}

func TestSysVQuotes(t *testing.T) {
	body, _, _ := strings.Cut(packaging.SysV(hostileScript), "\ncase ")
	said, _ := sh(t, body+`
printf '[%s]\n' "$name" "$user" "$group" "$home" "$program" "$comm" "$pidfile"`)
	s := hostileScript
	want := "[" + strings.Join([]string{s.Name, s.User, s.Group, s.Home, s.Exec, filepath.Base(hostile)[:15], "/run/" + s.Name + ".pid"}, "]\n[") + "]\n"
	if said != want {
		t.Errorf("%s, want\n%s", said, want)
	}
	if line := regexp.MustCompile(`(?m)^# Provides: +(\S+)$`).FindStringSubmatch(body); line == nil {
		t.Errorf("insserv reads several names in\n%s", body)
	}
}

// F6: the daemon is the user's, never root in a user's home, and what it makes is the user's
// alone. FAL_HOME_DIR of whoever runs the script would be another's home.
func TestScriptsRunAsTheUser_F6(t *testing.T) {
	s := packaging.Script{Name: "falcred-ann", User: "ann", Group: "staff", Home: "/home/ann", Exec: "/usr/local/bin/falcred"}
	for text, wants := range map[string][]string{
		packaging.OpenRC(s): {"\nunset FAL_HOME_DIR FALCRED_SOCKET\n", "\numask=077\n", "\ncommand_user="},
		packaging.SysV(s):   {"\tenv -i PATH=\"$PATH\" HOME=\"$home\" USER=\"$user\" ", " --umask 077 ", " --chuid \"$user:$group\" "},
	} {
		for _, want := range wants {
			if strings.Count(text, want) != 1 {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
}

// S5: a refresh in flight takes 17 s at most, and only then is anything killed.
func TestScriptsLetARefreshFinish_S5(t *testing.T) {
	for text, want := range map[string]string{
		packaging.OpenRC(packaging.Script{}): "\nretry=TERM/25/KILL/5\n",
		packaging.SysV(packaging.Script{}):   "\tcontrol --stop --oknodo --retry TERM/25/KILL/5 ",
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// S11: what goes on ending is given up. Ten times must fit into the period, however long each
// takes: else supervise-daemon begins to count anew.
func TestScriptsDoNotLoop_S11(t *testing.T) {
	text := packaging.OpenRC(packaging.Script{Name: "falcred-ann", User: "ann", Group: "ann", Home: "/home/ann", Exec: "/x/falcred"})
	number := func(name string) int {
		found := regexp.MustCompile(`(?m)^` + name + `=(\d+)$`).FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("no %s in\n%s", name, text)
		}
		n, _ := strconv.Atoi(found[1])
		return n
	}
	const longest = 30 // seconds, that a daemon waits for another to end
	delay, most, period := number("respawn_delay"), number("respawn_max"), number("respawn_period")
	if delay < 1 || most < 1 || most*(delay+longest) >= period {
		t.Errorf("%d times with %d s between in %d s: is that a bound?", most, delay, period)
	}
}

// Its exit statuses are those of the Linux Standard Base, for anybody who asks.
func TestSysVExitStatus(t *testing.T) {
	testkit.NeedTool(t, "start-stop-daemon")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	text := packaging.SysV(packaging.Script{Name: "falcred-test-" + strconv.Itoa(os.Getpid()), User: me.Username, Group: me.Gid, Home: me.HomeDir, Exec: "/nonexistent/falcred"})
	for _, c := range []struct {
		verb, said string
		code       int
	}{
		{"status", "Stopped\n", 3},
		{"stop", "", 0}, // what does not run
		{"start", "/nonexistent/falcred is not there\n", 5},
		{"restart", "/nonexistent/falcred is not there\n", 5},
		{"reload", "usage: ", 2},
	} {
		if said, code := sh(t, text, c.verb); code != c.code || !strings.HasPrefix(said, c.said) {
			t.Errorf("%s: exit status %d, and not %d: %s", c.verb, code, c.code, said)
		}
	}
}
