//go:build linux || darwin

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/daemon/events"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

// hostile is what no text may bring to a terminal.
const hostile = "\x1b]0;x\x07\x1b[2J\u009b\u202e\u2028"

// inShell is an environment for commands that run in this process, with an issuer that nobody
// is at.
func inShell(t *testing.T, home, socket string) {
	t.Helper()
	for _, name := range []string{"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FAL_FORCE_AUTH_BY_USER", "FAL_REST_HOST"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", filepath.Dir(home))
	t.Setenv("FAL_HOME_DIR", home)
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("FALCRED_ISSUER", "http://127.0.0.1:1")
	t.Setenv("FALCRED_SOCKET", socket)
	if socket == "" {
		os.Unsetenv("FALCRED_SOCKET") // until t.Setenv's own clean-up
	}
}

// command runs falcred in this process.
func command(args ...string) (out, errOut string, code int) {
	var stdout, stderr bytes.Buffer
	code = run(args, strings.NewReader(""), &stdout, &stderr)
	return stdout.String(), stderr.String(), code
}

// daemonThatSays answers every line with one line.
func daemonThatSays(t *testing.T, answer func(verb string) any) (socket string) {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(testkit.ShortDir(t), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				for in := protocol.NewReader(c); ; {
					line, err := in.ReadLine()
					if err != nil {
						return
					}
					verb, _, _ := strings.Cut(line, " ")
					text, _ := json.Marshal(answer(verb)) // not by our own encoder, which escapes
					c.Write(append(text, '\n'))
				}
			}()
		}
	}()
	return l.Addr().String()
}

// §4: nothing that a daemon, an issuer or a history says commands a terminal, whichever
// command prints it, for people and for programs.
func TestNothingCommandsATerminal_Section4(t *testing.T) {
	status := map[string]any{"PID": 1, "Protocol": 1, "Expires": time.Now().Add(time.Hour), "Shadows": []string{hostile}, "Warnings": []string{hostile + "\n" + hostile + "\n" + hostile}}
	for _, name := range []string{"Version", "Home", "Socket", "Issuer", "State", "Source", "Subject", "Team", "TeamID", "LastError", "Hint", "Mend"} {
		status[name] = hostile
	}
	asError := map[string]string{"Error": hostile + "\n" + hostile, "Code": "x" + hostile}
	home := testkit.ShortDir(t)
	testkit.Must(t, os.Chmod(home, 0o700))
	event, err := json.Marshal(events.Event{Time: time.Now(), Event: "logged_in", Subject: hostile, Cause: hostile})
	testkit.Must(t, err)
	testkit.Must(t, os.WriteFile(filepath.Join(home, events.HistoryName), append(event, '\n'), 0o600))
	for name, answers := range map[string]func(verb string) any{
		"a status": func(verb string) any {
			if verb == protocol.VerbStatus {
				return status
			}
			return asError
		},
		"errors": func(string) any { return asError },
	} {
		inShell(t, home, daemonThatSays(t, answers))
		for _, line := range []string{"status", "status --json", "history", "history --json", "team list", "logout", "logout --local", "doctor", "doctor --json", "service status"} {
			out, errOut, _ := command(strings.Fields(line)...)
			if out+errOut == "" {
				t.Errorf("%s, %s: nothing", name, line)
			}
			for text := range strings.Lines(out + errOut) {
				if text = strings.TrimSuffix(text, "\n"); protocol.Printable(text) != text {
					t.Errorf("%s, %s: %q", name, line, text)
				}
			}
			if strings.HasSuffix(line, "--json") && line != "history --json" && !json.Valid([]byte(out)) {
				t.Errorf("%s: %s", line, out)
			}
		}
	}
	out, _, _ := command("history", "--json")
	var read events.Event
	if err := json.Unmarshal([]byte(out), &read); err != nil || read.Subject != hostile {
		t.Errorf("a program reads it as it was: %v, %q", err, read.Subject)
	}
}

// S2: a socket that no daemon can have keeps nobody from logging out, and doctor says where
// the daemon is instead.
func TestALogoutNeedsNoSocket_S2(t *testing.T) {
	home := filepath.Join(testkit.ShortDir(t), strings.Repeat("a", 200))
	testkit.Must(t, os.Mkdir(home, 0o700))
	file := filepath.Join(home, "auth0_token")
	logout := func(what string) {
		t.Helper()
		testkit.Must(t, os.WriteFile(file, []byte("refresh"), 0o600))
		out, errOut, code := command("logout", "--local")
		if _, err := os.Lstat(file); code != 0 || !os.IsNotExist(err) {
			t.Errorf("%s: %d, %s%s", what, code, out, errOut)
		}
	}
	inShell(t, home, "")
	logout("no place for a socket")
	if out, _, code := command("status"); code != exitError || !strings.Contains(out, "set FALCRED_SOCKET to a shorter one") {
		t.Errorf("%d, %s", code, out)
	}
	t.Setenv("FALCRED_SHARE_SOCKET", "/"+strings.Repeat("a", 200))
	logout("a share socket that cannot be")
	if _, errOut, code := command("run"); code != exitConfig || !strings.Contains(errOut, "socket path has") {
		t.Errorf("%d, %s", code, errOut)
	}
	t.Setenv("FALCRED_SHARE_SOCKET", "")
	t.Setenv("FALCRED_SOCKET", "/"+strings.Repeat("a", 200))
	logout("a FALCRED_SOCKET that cannot be")
	os.Unsetenv("FALCRED_SOCKET")

	runtimeDir := testkit.ShortDir(t)
	t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
	logout("the second place")
	second := filepath.Join(runtimeDir, "falcred.sock")
	if out, _, code := command("status"); code != exitNone || !strings.Contains(out, second) {
		t.Errorf("%d, %s", code, out)
	}
	if f := finding(examinePlaces(home), "socket"); f.Result != doctor.Warn || !strings.Contains(f.Text, second) {
		t.Errorf("%+v", f)
	}
}

func finding(all []doctor.Finding, check string) (found doctor.Finding) {
	for _, f := range all {
		if f.Check == check {
			found = f
		}
	}
	return found
}

// §3: doctor names a HOME that leads people elsewhere, and two sockets of one home.
func TestDoctorNamesOddPlaces_Section3(t *testing.T) {
	home, runtimeDir := testkit.ShortDir(t), testkit.ShortDir(t)
	inShell(t, home, "")
	t.Setenv("XDG_RUNTIME_DIR", runtimeDir)
	if f := examinePlaces(home); len(f) != 0 {
		t.Errorf("%+v", f)
	}
	t.Setenv("HOME", "here")
	if f := finding(examinePlaces(home), "HOME"); f.Result != doctor.Warn || !strings.Contains(f.Text, `"here"`) {
		t.Errorf("%+v", f)
	}
	t.Setenv("HOME", "")
	os.Unsetenv("FAL_HOME_DIR")
	if f := finding(examinePlaces("/.fal"), "HOME"); f.Result != doctor.Warn || !strings.Contains(f.Text, "take /.fal") {
		t.Errorf("%+v", f)
	}
	for _, folder := range []string{home, runtimeDir} {
		l, err := net.Listen("unix", filepath.Join(folder, "falcred.sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	if f := finding(examinePlaces(home), "socket"); f.Result != doctor.Warn || !strings.Contains(f.Text, fmt.Sprintf("%s/falcred.sock and one at %s/falcred.sock", home, runtimeDir)) {
		t.Errorf("%+v", f)
	}
}

// §4: work that hangs with a file system is left behind, with words.
func TestWhatHangsIsLeftBehind_Section4(t *testing.T) {
	hangs := make(chan bool)
	defer close(hangs)
	_, err := inTime("reading the home", time.Millisecond, func() (int, error) { <-hangs; return 0, nil })
	if err == nil || !strings.Contains(err.Error(), "reading the home took longer than 1ms") {
		t.Error(err)
	}
	if n, err := inTime("", testkit.Patience, func() (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Error(n, err)
	}
}

// F3: whatever stands where one of the home's files should be, no command waits for it.
func TestNoFIFOHoldsACommand_F3(t *testing.T) {
	for _, name := range []string{"auth0_token", "falcred.env", "falcred.history", "falcred.json", "config.toml", ".portalock", "falcred.sock", "falcred.sock.lock"} {
		home := testkit.ShortDir(t)
		path := filepath.Join(home, name)
		testkit.Must(t, syscall.Mkfifo(path, 0o600))
		writer, err := os.OpenFile(path, os.O_RDWR, 0) // and one that has a writer, who writes nothing
		testkit.Must(t, err)
		inShell(t, home, "")
		t.Setenv("FAL_CONFIG_PATH", filepath.Join(home, "config.toml"))
		for _, line := range []string{"status", "history", "logout --local", "team unset", "doctor"} {
			done := make(chan string, 1)
			go func() {
				out, errOut, _ := command(strings.Fields(line)...)
				done <- out + errOut
			}()
			select {
			case text := <-done:
				if text == "" || strings.Contains(text, "took longer") {
					t.Errorf("%s, %s: %q", name, line, text)
				}
			case <-time.After(testkit.Patience):
				t.Fatalf("%s holds %s", name, line)
			}
		}
		writer.Close()
	}
}

// F6: a home that cannot be written is named, and nothing is promised of it.
func TestAHomeThatCannotBeWrittenIsSaid_F6(t *testing.T) {
	home := testkit.ShortDir(t)
	testkit.Must(t, os.WriteFile(filepath.Join(home, "auth0_token"), []byte("refresh"), 0o600))
	inShell(t, home, "")
	if out, _, code := command("status"); code != exitUsable {
		t.Errorf("%d, %s", code, out)
	}
	if os.Geteuid() == 0 {
		return // whom no mode keeps from writing; an ordinary user's run has the rest
	}
	testkit.Must(t, os.Chmod(home, 0o500))
	defer os.Chmod(home, 0o700)
	if out, _, code := command("status"); code != exitNone || !strings.Contains(out, "cannot be written (permission denied)") {
		t.Errorf("%d, %s", code, out)
	}
}
