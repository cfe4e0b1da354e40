package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/protocol"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const completionHelp = `Print a script by which a shell completes falcred's commands, flags, teams and
servers. The packages install it.

  bash        source <(falcred completion bash)
  zsh         falcred completion zsh >"${fpath[1]}/_falcred"
  fish        falcred completion fish >~/.config/fish/completions/falcred.fish
  powershell  falcred completion powershell | Out-String | Invoke-Expression`

var completionShells = []string{"bash", "zsh", "fish", "powershell"}

func newCompletion() *cobra.Command {
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print a shell's completion script",
		Long:      completionHelp,
		Example:   "  falcred completion bash",
		ValidArgs: completionShells,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(completionShells, args[0]) {
				return nil
			}
			return usageError{"there is completion for bash, zsh, fish and powershell: name one of them", helpHint(cmd)}
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return root.GenPowerShellCompletionWithDesc(out)
		},
	}
}

// newHelp is cobra's help command, whose answer to a command that is not there is an error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help for a command",
		Args:  cobra.ArbitraryArgs,
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (names []cobra.Completion, _ cobra.ShellCompDirective) {
			if about, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, sub := range about.Commands() {
					if sub.IsAvailableCommand() {
						names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
					}
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err == nil && len(rest) > 0 {
				err = knownCommand(about, rest)
			}
			if err != nil {
				return err
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}

// completions has TAB offer teams where a flag wants one, and file names only where a file is meant.
func completions(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		completions(sub)
	}
	if cmd.ValidArgsFunction == nil && cmd.ValidArgs == nil {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		offered := cobra.NoFileCompletions
		if f.Name == "team" {
			offered = teamCompletions
		}
		if _, told := cmd.GetFlagCompletionFunc(f.Name); !told && f.Annotations == nil {
			cmd.RegisterFlagCompletionFunc(f.Name, offered)
		}
	})
}

// completionPatience is how long somebody who presses TAB waits.
const completionPatience = time.Second

// complete asks for what a word can be, for a second at most. What cannot be found out is no completion:
// there is nobody to tell.
func complete(prefix string, find func(context.Context) ([]string, error)) ([]cobra.Completion, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	found, _ := inTime("completion", completionPatience, func() ([]string, error) { return find(ctx) })
	found = slices.DeleteFunc(found, func(name string) bool {
		name, _, _ = strings.Cut(name, "\t")
		return !strings.HasPrefix(strings.ToLower(name), strings.ToLower(prefix))
	})
	return found, cobra.ShellCompDirectiveNoFileComp
}

// completeTeam is for the one argument of team set, and for --team.
func completeTeam(_ *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return teamCompletions(nil, nil, prefix)
}

// teamCompletions asks fal's REST host with the access token that is there: TAB has nothing refreshed.
func teamCompletions(_ *cobra.Command, _ []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return complete(prefix, func(ctx context.Context) (teams []string, err error) {
		cfg, err := daemon.Look(version())
		if err != nil || cfg.REST == "" || cfg.CheckIssuer() != nil {
			return nil, err
		}
		access, ok := login.ValidAccess(cfg.Home)
		if !ok {
			return nil, nil
		}
		list, err := login.Accounts(ctx, cfg.Config, access)
		for _, a := range list {
			teams = append(teams, cobra.CompletionWithDesc(protocol.Printable(a.Nickname), protocol.Printable(a.FullName)))
		}
		return teams, err
	})
}

// completeServer offers the servers that are answered for, by the environment and falcred.env.
func completeServer(_ *cobra.Command, args []string, prefix string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return complete(prefix, func(context.Context) (servers []string, err error) {
		cfg, err := daemon.Look(version())
		for _, server := range cfg.Servers.List() {
			if !strings.HasPrefix(prefix, "https:") { // a bare host is shorter, and has no colon, at which bash breaks words
				server = strings.TrimPrefix(server, "https://")
			}
			servers = append(servers, server)
		}
		return servers, err
	})
}
