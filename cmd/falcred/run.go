package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/upgrade"
	"github.com/falcred/falcred/packaging/service"
	"github.com/falcred/falcred/protocol/env"
	"github.com/spf13/cobra"
)

const runHelp = `Run the daemon in the foreground, until SIGTERM or Ctrl-C.

It refreshes the login in the home ahead of time and answers on its socket.
It needs no network to start. A flag that names a variable in brackets stands for
that variable of the environment, which $FAL_HOME_DIR/falcred.env may set too, except
for the home and the socket: other programs look for those, and do not read that file.

--check looks at the configuration, as the daemon that is started so would see
it, and changes nothing.

Exit status: 0; 78 where the configuration has to be corrected first, so that to
start it again is of no use; 1 for all else. On a socket that a service manager
has made, a mistake of configuration is told for 30 s to whoever asks.`

const runExample = `  falcred run
  falcred run --log-level debug
  falcred run --home ~/work/.fal --issuer https://id.example.com
  falcred run --servers gateway.example.com,http://localhost:8080`

// mirrored are the flags that are variables: whoever reads the variable, which
// is not the daemon alone, then sees what the flag says.
var mirrored = []struct{ flag, variable, usage string }{
	{"home", "FAL_HOME_DIR", "the login's `folder` (default ~/.fal)"},
	{"socket", "FALCRED_SOCKET", "the socket's `path` (default falcred.sock in the home)"},
	{"issuer", "FALCRED_ISSUER", "the `URL` of the identity provider (default fal's)"},
	{"client-id", "FALCRED_CLIENT_ID", "the client `ID` of the next login (default the home's, or fal's)"},
	{"audience", "FALCRED_AUDIENCE", "the `audience` of the next login (default fal's at fal's issuer; empty is none)"},
	{"scopes", "FALCRED_SCOPES", "the `scopes` of the next login (empty is none)"},
	{"servers", "FALCRED_SERVERS", "more `hosts` to answer for, comma-separated"},
	{"share-socket", "FALCRED_SHARE_SOCKET", "the `path` of a second socket, from which others may only read the login's access token"},
	{"allow-uids", "FALCRED_ALLOW_UIDS", "the others' user `numbers`, comma-separated (default your own only)"},
	{"on-change", "FALCRED_ON_CHANGE", "a `command` to run at each change of the login's state"},
	{"notify", "FALCRED_NOTIFY", "`0`: no desktop notification when the login has ended"},
}

var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func newRun() *cobra.Command {
	var level string
	var asJSON, toSyslog, check bool
	cmd := &cobra.Command{
		Use:     "run",
		Short:   "Run the daemon in the foreground",
		Long:    runHelp,
		Example: runExample,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON && toSyslog {
				return usageError{"--log-json and --syslog exclude each other", helpHint(cmd)}
			}
			handler, err := newHandler(cmd.ErrOrStderr(), level, asJSON, toSyslog)
			if err != nil {
				return err
			}
			_, journal := handler.(service.Journal)
			handler, written := newBehind(handler)
			defer written()
			log := slog.New(handler)
			if err := mirror(cmd); err != nil {
				return err
			}
			if check {
				return checkConfig(cmd.OutOrStdout())
			}
			err = service.Run(cmd.Context(), func(ctx context.Context) error {
				return runDaemon(ctx, log, toSyslog || ownService())
			})
			if err != nil && (toSyslog || journal) { // nobody reads standard error, or it has no priority there
				log.Error("ended", "cause", err)
			}
			return err
		},
	}
	for _, m := range mirrored {
		cmd.Flags().String(m.flag, "", m.usage+" ["+m.variable+"]")
	}
	cmd.MarkFlagDirname("home")
	cmd.MarkFlagFilename("socket")
	cmd.MarkFlagFilename("share-socket")
	cmd.Flags().StringVar(&level, "log-level", "info", "the least `level` that is logged: debug, info, warn or error")
	cmd.Flags().BoolVar(&asJSON, "log-json", false, "log JSON lines")
	cmd.Flags().BoolVar(&toSyslog, "syslog", false, "log to syslog, as a service: a daemon that a client has started makes way")
	cmd.Flags().BoolVar(&check, "check", false, "only say whether the configuration lets it start")
	return cmd
}

// mirror takes over the flags that were given, empty ones too: an empty
// FAL_HOME_DIR is refused, and so is an empty --home.
func mirror(cmd *cobra.Command) error {
	for _, m := range mirrored {
		if flag := cmd.Flags().Lookup(m.flag); flag.Changed {
			if err := os.Setenv(m.variable, flag.Value.String()); err != nil {
				return err
			}
		}
	}
	return nil
}

// newHandler is where lines go: to syslog or the journal, or to who reads standard error.
func newHandler(w io.Writer, name string, asJSON, toSyslog bool) (slog.Handler, error) {
	level, ok := logLevels[name]
	if !ok {
		return nil, usageError{"--log-level is not one of debug, info, warn and error: " + name, "see: falcred run --help"}
	}
	options := &slog.HandlerOptions{Level: level}
	if toSyslog {
		if system, err := service.SystemLog(); err == nil {
			return newSyslog(system, options), nil
		} // where there is none, who reads standard error has the lines
	}
	if asJSON {
		return slog.NewJSONHandler(w, options), nil
	}
	if journal, there := service.ToJournal(level); there {
		return journal, nil
	}
	return slog.NewTextHandler(w, options), nil
}

// collectAt is the heap's growth in percent at which garbage is collected: the
// daemon waits nearly always, and is to be small while it does. GOGC overrides it.
const collectAt = 25

// checkConfig says whether a daemon would start.
func checkConfig(out io.Writer) error {
	cfg, err := daemon.Look(version())
	if err == nil {
		err = daemon.Check(cfg)
	}
	if errors.As(err, new(*daemon.Mistake)) {
		return cannotStart{err}
	}
	if err == nil {
		fmt.Fprintf(out, "falcred can start, for the login in %s of %s\n", cfg.Home, cfg.Issuer)
	}
	return err
}

// lookEvery is how often a daemon looks for an upgrade of its program: once a minute. Tests have no
// time for that, and build falcred with another one.
var lookEvery string

// onDemand is the program that this daemon is to follow (S9): the one that docker-credential-fal has
// started. A service is upgraded by its manager, and what runs in a terminal by whoever sits there.
// The variable that says so is for this process alone, and for the one that takes its place.
func onDemand(asService bool) (p upgrade.Program) {
	if os.Getenv(env.OnDemand) == "1" && !asService {
		p = upgrade.Started(os.Args, os.Environ())
		p.Every, _ = time.ParseDuration(lookEvery)
	}
	os.Unsetenv(env.OnDemand)
	return p
}

// runDaemon runs until it is asked to end. A service takes the place of a daemon that a client
// has started.
func runDaemon(ctx context.Context, log *slog.Logger, asService bool) error {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	inheritance, err := upgrade.Inherited()
	if err != nil {
		return err
	}
	program := onDemand(asService)
	ctx, stop := signal.NotifyContext(ctx, endings...)
	defer stop()
	// The first signal lets a refresh in flight finish (S5), a second one ends
	// the process as signals do.
	context.AfterFunc(ctx, stop)
	manager := newNotices()
	defer manager.close()
	context.AfterFunc(ctx, manager.stopping)
	cfg, err := daemon.Load(version())
	if err != nil {
		manager.cannotStart(err)
		err = daemon.Refuse(ctx, err, log)
	} else {
		cfg.TakeOver, cfg.Ready, cfg.Refused = asService, manager.ready, manager.cannotStart
		cfg.Program, cfg.Inheritance = program, inheritance
		err = daemon.Run(ctx, cfg, log)
	}
	if errors.As(err, new(*daemon.Mistake)) {
		return cannotStart{err}
	}
	return err
}
