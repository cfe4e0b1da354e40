package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/fal"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"github.com/spf13/cobra"
)

const teamHelp = `Choose whom requests of the login are attributed to.

The choice stands in the fal CLI's own config (FAL_CONFIG_PATH, or
~/.fal/config.toml), so that the CLI and falcred follow the same one. A running
daemon sees the change by itself. A key is attributed to its own team, whatever
stands there: set and unset say so where a key of this shell, of falcred.env or of a
profile of the fal CLI is in the way. As the CLI's own, set unsets such a profile.

For one shell, or one request, there are FALCRED_TEAM and --team.`

func newTeam() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "team",
		Short:   "Choose the team that requests are attributed to",
		Long:    teamHelp,
		Example: "  falcred team list\n  falcred team set acme\n  falcred team unset",
		Args:    knownCommand,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(newTeamList(), newTeamSet(), newTeamUnset())
	return cmd
}

// selectable is an account as `team list --json` shows it.
type selectable struct {
	Nickname string
	FullName string
	Type     string // personal, team or org
	Selected bool
}

func newTeamList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the accounts that the login may act for",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			shell := environment() // before falcred.env is in it
			cfg, list, err := theAccounts(cmd)
			if err != nil {
				return err
			}
			chosen, err := cfg.FalConfig.Team()
			if err != nil {
				return err
			}
			shown := selectables(list, chosen)
			if asJSON {
				return printJSON(cmd.OutOrStdout(), shown)
			}
			if err := printAccounts(cmd.OutOrStdout(), shown); err != nil {
				return err
			}
			printInTheWay(cmd.ErrOrStderr(), shell, cfg, chosen)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func newTeamSet() *cobra.Command {
	return &cobra.Command{
		Use:     "set NICKNAME",
		Short:   "Attribute requests to this team",
		Example: "  falcred team set acme",
		Args:    oneArg("the nickname of a team"),

		ValidArgsFunction: completeTeam,
		RunE: func(cmd *cobra.Command, args []string) error {
			shell := environment() // before falcred.env is in it
			cfg, list, err := theAccounts(cmd)
			if err != nil {
				return err
			}
			account, found := fal.FindAccount(list, args[0])
			if !found {
				return fmt.Errorf("the login is not a member of team %q\nsee which there are: falcred team list", args[0])
			}
			out := cmd.OutOrStdout()
			if err := setTeam(out, cfg, account.Nickname); err != nil {
				return err
			}
			awaitTeam(cmd, cfg, account.Nickname)
			fmt.Fprintf(out, "requests are attributed to %s (%s), by %s\n",
				protocol.Printable(account.Nickname), protocol.Printable(account.FullName), cfg.FalConfig.Path)
			if !account.IsPersonal {
				fmt.Fprintln(out, sdkSendsNoTeam)
			}
			printInTheWay(out, shell, cfg, account.Nickname)
			return nil
		},
	}
}

// sdkSendsNoTeam is for whoever has chosen a team: what he thinks that it pays for, he may pay himself.
const sdkSendsNoTeam = "Python's fal_client sends no team: what it asks for is your personal account's"

func newTeamUnset() *cobra.Command {
	return &cobra.Command{
		Use:   "unset",
		Short: "Attribute requests to the personal account",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			shell := environment() // before falcred.env is in it
			cfg, err := look()
			if err != nil {
				return err
			}
			if err := cfg.FalConfig.SetTeam(""); err != nil {
				return err
			}
			awaitTeam(cmd, cfg, "")
			fmt.Fprintf(cmd.OutOrStdout(), "requests are attributed to the personal account, by %s\n", cfg.FalConfig.Path)
			printInTheWay(cmd.OutOrStdout(), shell, cfg, "")
			return nil
		},
	}
}

// setTeam writes the choice down, and says which profile of the fal CLI had to go for it.
func setTeam(out io.Writer, cfg daemon.Config, nickname string) error {
	profile, hasKey, _ := cfg.FalConfig.Key("")
	if err := cfg.FalConfig.SetTeam(nickname); err != nil || profile == "" {
		return err
	}
	why := "a team and a profile exclude each other there"
	if hasKey {
		why = "the CLI would send that profile's key"
	}
	_, err := fmt.Fprintf(out, "the fal CLI's profile %s is unset, since %s; it is still there: fal profile set %[1]s\n", protocol.Printable(profile), why)
	return err
}

// printInTheWay says what attributes requests to somebody else than the choice in the fal config: a key of
// this shell or of falcred.env, a profile of the fal CLI, FALCRED_TEAM.
func printInTheWay(out io.Writer, shell func(string) string, cfg daemon.Config, choice string) {
	say := func(text, hint string) { fmt.Fprintf(out, "%s\n%s\n", protocol.Printable(text), hint) }
	if key, ok := env.FindKey(shell); ok { // for falcred and for the CLI, whatever else is set
		say(keyWins(key.Source, " here", "your"), keyHint(key.Source))
		return
	}
	if cfg.Key.Source != "" && !env.ForceUser(shell) {
		say(keyWins(cfg.Key.Source, " in falcred.env", "your"), envKeyHint)
	}
	if profile, hasKey, err := cfg.FalConfig.Key(shell("FAL_PROFILE")); err == nil && hasKey && !env.ForceUser(shell) {
		say("the fal CLI goes on with the key of its profile "+profile+"; fal's SDK and falcred do not", profileHint(shell))
	}
	if team := env.Team(os.LookupEnv); team != nil && !strings.EqualFold(*team, choice) {
		say(env.TeamName+" is set here, so this shell's requests are attributed to "+cmp.Or(*team, "the personal account"), "unset "+env.TeamName)
	}
}

// profileHint is what to do where the fal CLI sends a profile's key.
func profileHint(shell func(string) string) string {
	if shell("FAL_PROFILE") != "" {
		return "unset FAL_PROFILE, or set FAL_FORCE_AUTH_BY_USER=1"
	}
	return "fal profile unset, or set FAL_FORCE_AUTH_BY_USER=1"
}

func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] != "" {
			return nil
		}
		return usageError{fmt.Sprintf("%s takes one argument: %s", cmd.CommandPath(), what), helpHint(cmd)}
	}
}

// theAccounts asks fal's REST host, with the login's own access token: a key's
// teams are none of its business.
func theAccounts(cmd *cobra.Command) (daemon.Config, []fal.Account, error) {
	cfg, err := load()
	if err != nil {
		return cfg, nil, err
	}
	if err := cfg.CheckIssuer(); err != nil {
		return cfg, nil, err
	}
	if cfg.REST == "" {
		return cfg, nil, errNoTeams(cfg)
	}
	list, err := waiting(cmd.ErrOrStderr(), "asking for the teams", refreshPatience+accountsPatience, func() ([]fal.Account, error) {
		access, err := accessToken(cmd.Context(), cfg)
		if err != nil {
			return nil, err
		}
		return login.Accounts(cmd.Context(), cfg.Config, access)
	})
	return cfg, list, err
}

// refreshPatience is the exec'ed helper's: a refresh may wait for a neighbour's first.
const refreshPatience = 45 * time.Second

// accountsPatience is at least what fal's REST host is given.
const accountsPatience = 30 * time.Second

func errNoTeams(cfg daemon.Config) error {
	return fmt.Errorf("teams are a feature of fal's, and this login is from %s\nif that issuer has teams, set FAL_REST_HOST in this home's falcred.env", cfg.Issuer)
}

// accessToken is the file's, as an SDK would read it. Where that has run out, a
// question to the daemon has it refreshed, even if the team keeps the answer
// back. A daemon that does not say that it is of the same issuer may be any: of
// another home, or of another machine (R13).
func accessToken(ctx context.Context, cfg daemon.Config) (string, error) {
	if access, ok := login.ValidAccess(cfg.Home); ok {
		return access, nil
	}
	ctx, cancel := bounded(ctx, refreshPatience)
	defer cancel()
	client := helper.New(os.LookupEnv)
	defer client.Close()
	if d, err := client.Status(ctx); err != nil && !errors.Is(err, helper.ErrNotRunning) {
		return "", err
	} else if err == nil && d.Issuer != cfg.Issuer {
		return "", fmt.Errorf("the daemon that answers here serves another home: it is for %s, not %s\nunset FALCRED_SOCKET, or restart the daemon",
			cmp.Or(protocol.Printable(d.Issuer), "another machine's login"), cfg.Issuer)
	}
	cred, err := client.Get(ctx, protocol.Query{ServerURL: protocol.DefaultServer, ForceUser: true})
	if err == nil {
		return string(cred.Secret), nil
	}
	if access, ok := login.ValidAccess(cfg.Home); ok {
		return access, nil
	}
	there, unknown := hasLogin(nil, cfg.Home)
	if errors.Is(err, protocol.ErrNotFound) || errors.Is(err, helper.ErrNotRunning) && !there && unknown == nil {
		return "", errors.New("nobody is logged in\n" + login.LoginHint)
	}
	return "", err
}

func selectables(list []fal.Account, chosen string) []selectable {
	shown := []selectable{}
	for _, a := range list {
		s := selectable{Nickname: a.Nickname, FullName: a.FullName, Type: "team"}
		switch {
		case a.IsPersonal:
			s.Type = "personal"
		case a.IsOrg:
			s.Type = "org"
		}
		s.Selected = strings.EqualFold(a.Nickname, chosen) || chosen == "" && a.IsPersonal
		shown = append(shown, s)
	}
	return shown
}

func printAccounts(w io.Writer, list []selectable) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range list {
		mark := " "
		if s.Selected {
			mark = "*"
		}
		fmt.Fprintf(table, "%s %s\t%s\t%s\n", mark, protocol.Printable(s.Nickname), s.Type, protocol.Printable(s.FullName))
	}
	return table.Flush()
}
