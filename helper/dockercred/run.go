// Package dockercred is docker-credential-fal: what docker, Bazel and scripts run to be
// given a credential ([Run]). It links the standard library only, and of that nothing
// which makes a program start slowly, since it is a new process for each credential.
//
// A key of its environment answers at once. Else the daemon does, and where none runs
// one is started, if there is a login for it. Whatever fails, nothing is printed that
// could be taken for a credential.
package dockercred

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
)

const (
	name    = "docker-credential-fal"
	project = "github.com/falcred/falcred"
)

const usage = "Usage: " + name + " <store|get|erase|list|version>\n" +
	"       " + name + " <header|token> [FLAGS] [SERVER]"

// help is what people see who ask for it.
const help = usage + `

Gives the fal credential of the moment to scripts and programs: FAL_KEY of the
environment, else the login, from falcred, which is started if it does not run.

  header [SERVER]  header lines for curl:
                     h=$(docker-credential-fal header) &&
                       printf '%s\n' "$h" | curl -H @- https://fal.run/...
  token [SERVER]   the bare secret
  get              a JSON object; the server stands on standard input:
                     echo https://fal.run | docker-credential-fal get | jq .
                   (as docker's helpers; {"uri":...} as Bazel's)
  list             the servers that there is a credential for
  store            keep a refresh token as the login
  erase            log out (the server on standard input)
  version

VERB --help says more of each. Logging in, and how things stand: falcred --help

SERVER is https://fal.run if it is not given. Only fal's servers, and those that
FALCRED_SERVERS names, are answered for.

Exit status: 0; 1 no credential, or a mistake; of header and token also 3, log
in again (falcred login), and 75, try again later. These two print nothing on
standard output unless it is 0.

FAL_FORCE_AUTH_BY_USER=1  passes FAL_KEY over
FALCRED_TEAM=NICKNAME     requests of the login are that team's
FALCRED_AUTOSTART=0       starts no daemon (systemd does all the same where it
                          holds the socket)`

// The exit codes of header and token. Docker's verbs know 0 and 1 only.
const (
	exitOK            = 0
	exitFailure       = 1
	exitLoginRequired = 3
	exitTryLater      = 75 // EX_TEMPFAIL of sysexits.h
)

const (
	// patience is how long a run may take, from when standard input has been read. A get can
	// wait for a refresh (17 s under the lock, after up to 25 s in which a neighbour holds it:
	// F1). One that is stopped is known much earlier (package helper).
	patience = 45 * time.Second
	// homePatience is how long the home's file system may take where no daemon answers, and
	// a start.
	homePatience = readiness + 8*time.Second
	// maxStarts is how many daemons may die in the hands of one run.
	maxStarts = 3
	// quiet is how long a person is told nothing.
	quiet = time.Second
)

// errSilent is made without fmt, since every run makes it. The 45 s are patience.
var errSilent = protocol.Errorf(protocol.CodeUnavailable, "falcred did not answer within 45 s\nsee: falcred status")

func errHangs() error {
	return protocol.Errorf(protocol.CodeUnavailable, "the file system of FAL_HOME_DIR, or of falcred, did not answer within %d s\nsee: falcred doctor", int(homePatience.Seconds()))
}

// run is one run of the program.
type run struct {
	called         string // how people call it: "falcred" for [Token]
	stdin          io.Reader
	stdout, stderr io.Writer
	client         *helper.Client
	getenv         func(string) string
	lookup         func(string) (string, bool)
	servers        env.Servers
}

// Run is docker-credential-fal: args without the program's name, and the exit
// code. It writes nothing on stdout before it knows all that belongs there.
func Run(args []string, stdin io.Reader, stdout, stderr io.Writer, lookup func(string) (string, bool)) int {
	if len(args) == 0 {
		fmt.Fprintln(stdout, usage)
		return exitFailure
	}
	verb, rest := args[0], args[1:]
	forScripts := verb == "header" || verb == "token"
	switch {
	case isHelp(verb), helps[verb] != "" && len(rest) > 0 && isHelp(rest[0]):
		stdout.Write(helpFor(verb))
		return exitOK
	case len(rest) > 0 && !forScripts:
		fmt.Fprintln(stdout, usage)
		return exitFailure
	}

	return newRun(stdin, stdout, stderr, lookup).end(verb, rest)
}

// end does what a verb says. The client's connection ends with the process; closing it here as well
// would take a thirtieth of the process's life.
func (r *run) end(verb string, args []string) int {
	var out []byte
	var err error
	if r.servers, err = env.NewServers(r.getenv); err == nil || !needsServers(verb) {
		out, err = r.do(context.Background(), verb, args)
	}
	if err == errHelp {
		out, err = helpFor(verb), nil
	}
	if err != nil {
		return r.fail(verb, err)
	}
	if _, err := r.stdout.Write(out); err != nil {
		fmt.Fprintln(r.stderr, "standard output:", err)
		return exitFailure
	}
	return exitOK
}

// Token is `falcred token`: what Run does with "token".
func Token(args []string, stdin io.Reader, stdout, stderr io.Writer, lookup func(string) (string, bool)) int {
	r := newRun(stdin, stdout, stderr, lookup)
	r.called = "falcred"
	return r.end("token", args)
}

func newRun(stdin io.Reader, stdout, stderr io.Writer, lookup func(string) (string, bool)) *run {
	getenv := func(name string) string {
		value, _ := lookup(name)
		return value
	}
	return &run{called: name, stdin: stdin, stdout: stdout, stderr: stderr, client: helper.New(lookup), getenv: getenv, lookup: lookup}
}

func (r *run) do(ctx context.Context, verb string, args []string) ([]byte, error) {
	switch verb {
	case "get":
		return r.get(ctx)
	case "list":
		return r.list(ctx)
	case "store":
		return nil, r.store(ctx)
	case "erase":
		return nil, r.erase(ctx)
	case "header", "token":
		return r.print(ctx, verb, args)
	case "version", "--version", "-v":
		return fmt.Appendf(nil, "%s (%s) %s\n", name, project, version()), nil
	}
	return nil, protocol.Errorf(protocol.CodeBadRequest, "%s: unknown action: %q", name, verb)
}

// needsServers leaves the version and the help to those whose FALCRED_SERVERS
// is wrong.
func needsServers(verb string) bool {
	return slices.Contains([]string{"get", "list", "store", "erase", "header", "token"}, verb)
}

// credential is Get, with a daemon started for it where none runs.
func (r *run) credential(ctx context.Context, q protocol.Query) (cred protocol.Credential, err error) {
	err = r.withDaemon(ctx, r.hasLogin, func(ctx context.Context) error {
		cred, err = r.client.Get(ctx, q)
		return err
	})
	return cred, err
}

// withDaemon runs ask, and once more after it has started a daemon for it, if
// that has something to do. One that is killed while it is asked is started anew, up to a limit
// (maxStarts). It bounds how long all this may take.
func (r *run) withDaemon(ctx context.Context, useful func(home string) bool, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSilent)
	defer cancel()
	defer time.AfterFunc(quiet, r.tellPerson).Stop()
	for starts := 0; ; starts++ {
		err := ask(ctx)
		if err != helper.ErrNotRunning || !peer.Serves || starts == maxStarts {
			return err
		}
		if err := r.have(ctx, useful); err != nil {
			return err
		}
	}
}

// tellPerson is for who looks at a terminal: a script's standard error is a log.
func (r *run) tellPerson() {
	if file, ok := r.stderr.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&fs.ModeCharDevice != 0 {
			fmt.Fprintf(file, "waiting for falcred, for %d s at most\n", int(patience.Seconds()))
		}
	}
}

// have has a daemon run, if that has something to do. All of it is in the hands of file
// systems, and one whose server is gone answers never.
func (r *run) have(ctx context.Context, useful func(home string) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, homePatience, errHangs())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- r.startFor(ctx, useful) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *run) startFor(ctx context.Context, useful func(home string) bool) error {
	home, err := env.Home(r.lookup)
	if err != nil {
		return err
	}
	if !useful(home) {
		if r.forwarded(home) {
			return errAway
		}
		return helper.ErrNobody
	}
	if r.getenv("FALCRED_AUTOSTART") == "0" {
		return helper.ErrNotRunning
	}
	return r.start(ctx, home)
}

// hasLogin: without a login there is nothing to get or to erase.
func (r *run) hasLogin(home string) bool {
	path := filepath.Join(home, env.TokenFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false
	}
	return !followed(path)
}

// errAway is what a forwarded socket's other end can be: gone for a while (S7).
var errAway = protocol.Errorf(protocol.CodeUnavailable,
	"the login is on another machine, and its socket cannot be reached now\ncheck the connection that forwards it, and FALCRED_SOCKET")

// forwarded says whether a login is to be expected here all the same: falcred
// follow keeps a file for it, or FALCRED_SOCKET names a socket that a connection
// has left behind.
func (r *run) forwarded(home string) bool {
	if followed(filepath.Join(home, env.TokenFile)) {
		return true
	}
	path := r.getenv("FALCRED_SOCKET")
	info, err := os.Lstat(path)
	return path != "" && err == nil && info.Mode().Type() == fs.ModeSocket
}

// followed says whether the file is one of `falcred follow`: the login is another
// machine's, and a daemon here would only replace its socket.
func followed(path string) bool {
	file, err := strict.OpenAny(path)
	if err != nil {
		return false
	}
	defer file.Close()
	first := make([]byte, len(env.Placeholder))
	_, err = io.ReadFull(file, first)
	return err == nil && string(first) == env.Placeholder
}

// release is what a package was built as: packaging/build sets it.
var release string

// version is the module's, which go install and the release build know.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
