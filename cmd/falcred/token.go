package main

import (
	"os"
	"strings"

	"github.com/falcred/falcred/helper/dockercred"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// #nosec G101 -- words about tokens, and none
const tokenHelp = `Print the credential that a program started from this shell would use: FAL_KEY of
the environment, else FAL_KEY_ID with FAL_KEY_SECRET, else what the daemon serves:
the login's access token, or a key of the daemon's own environment. A daemon is
started for that, if none runs.

It does what docker-credential-fal token does. Scripts that run often call that
one, which starts faster; or docker-credential-fal header, which also says for
which team a request is. Do not put the token into FAL_KEY: it is not a key.

Exit status: 0; 1 no credential, or a value that is refused; 2 another mistake on
the command line; 3 log in again (falcred login); 75 try again later. Nothing is
printed on standard output unless it is 0.`

// #nosec G101 -- the same
const tokenExample = `  token=$(falcred token) && echo "it has ${#token} characters"
  falcred token --min-valid 15m            for a long upload
  falcred token --json | jq -r .Expires
  h=$(docker-credential-fal header) &&
    printf '%s\n' "$h" | curl -H @- https://fal.run/...`

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "token [SERVER]",
		Short:   "Print this shell's credential: the token of the login, or a key",
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
	// pflag's error would repeat a token that stands in the wrong place.
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if !strings.Contains(err.Error(), "--rejected") {
			return cmd.Parent().FlagErrorFunc()(cmd, err)
		}
		return usageError{"--rejected takes no value: the token stands on standard input, where no other process can see it", helpHint(cmd)}
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		flags.Visit(func(f *pflag.Flag) { args = append(args, asHelper(f)...) })
		return exitCode(dockercred.Token(args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr(), os.LookupEnv))
	}
	return cmd
}

// asHelper is a flag as the helper reads it.
func asHelper(f *pflag.Flag) []string {
	switch value := f.Value.String(); {
	case f.Value.Type() != "bool":
		return []string{"--" + f.Name + "=" + value}
	case value == "true":
		return []string{"--" + f.Name}
	}
	return nil
}
