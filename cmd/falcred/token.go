package main

import (
	"os"

	"github.com/falcred/falcred/helper/dockercred"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const tokenHelp = `Print the credential that a program of this shell would use: FAL_KEY of the environment,
else the login's access token. A daemon is started for that, if none runs.

It is docker-credential-fal token, by another name: scripts that run often call that, which
starts faster, or docker-credential-fal header, which says whom requests are attributed to.
The secret is no value for FAL_KEY, which is sent as a key.

Exit status: 0; 1 no credential; 2 a mistake on the command line; 3 log in again (falcred
login); 75 try again later. Nothing is printed on standard output unless it is 0.`

const tokenExample = `  token=$(falcred token) && echo "it has ${#token} characters"
  falcred token --min-valid 15m            for a long upload
  falcred token --json | jq -r .Expires
  h=$(docker-credential-fal header) &&
    printf '%s\n' "$h" | curl -H @- https://fal.run/...`

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "token [SERVER]",
		Short:   "Print this shell's credential (docker-credential-fal, for people)",
		Long:    tokenHelp,
		Example: tokenExample,
		Args:    atMostOne("a server"),

		ValidArgsFunction: completeServer,
	}
	flags := cmd.Flags()
	flags.Duration("min-valid", 0, "one that is good for so long still (300s, 15m, 2h), as far as it can be had")
	flags.Bool("rejected", false, "the token on standard input was refused with 401: print the next one")
	flags.String("team", "", `whom requests are attributed to; "" is the login's own account (default FALCRED_TEAM, else the fal config's)`)
	flags.Bool("json", false, "print a JSON object: ServerURL, Username, Secret, Expires, Headers")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flags.Visit(func(f *pflag.Flag) { args = append(args, "--"+f.Name+valueOf(f)) })
		return exitCode(dockercred.Token(args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), os.LookupEnv))
	}
	return cmd
}

// valueOf is a flag's value as the helper reads it.
func valueOf(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return ""
	}
	return "=" + f.Value.String()
}
