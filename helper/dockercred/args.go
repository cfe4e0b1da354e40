package dockercred

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol"
)

// rejectedPatience is how long a refused token may take to come on standard input.
const rejectedPatience = 5 * time.Second

// wanted is what header and token are asked for by their arguments: flags and a server, in any order.
// They are read here since this program links no package flag (TestImports of package helper).
func (r *run) wanted(verb string, args []string) (q protocol.Query, asJSON bool, err error) {
	var servers []string
	rejected := false
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		flag, value, given := strings.Cut(arg, "=")
		if !strings.HasPrefix(arg, "-") {
			servers = append(servers, arg)
			continue
		}
		switch {
		case arg == "--help", arg == "-h":
			return q, false, errHelp
		case flag == "--rejected" && given:
			return q, false, r.mistake(verb, "--rejected takes no value: the token stands on standard input, where no other process can see it")
		case flag == "--rejected":
			rejected = true
			continue
		case arg == "--json" && verb == "token":
			asJSON = true
			continue
		case flag != "--min-valid" && flag != "--team":
			return q, false, r.mistake(verb, "unknown flag %s", protocol.Printable(flag))
		case !given && len(args) == 0:
			return q, false, r.mistake(verb, "%s wants a value", flag)
		case !given:
			value, args = args[0], args[1:]
		}
		if flag == "--team" {
			q.Team = &value
		} else if q.MinValid, err = seconds(value); err != nil {
			return q, false, err
		}
	}
	switch len(servers) {
	case 0:
		q.ServerURL = protocol.DefaultServer
	case 1:
		q.ServerURL = servers[0]
	default:
		return q, false, r.mistake(verb, "one server at a time, and there are %d", len(servers))
	}
	if rejected {
		token, err := r.refused(verb)
		q.Rejected = protocol.Secret(token)
		return q, asJSON, err
	}
	return q, asJSON, nil
}

// mistake is one in the arguments.
func (r *run) mistake(verb, format string, args ...any) error {
	return protocol.Errorf(protocol.CodeBadRequest, format+"\nsee: %s %s --help", append(args, r.called, verb)...)
}

// seconds is --min-valid's duration, rounded up.
func seconds(text string) (int, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, protocol.Errorf(protocol.CodeBadRequest, "--min-valid wants a duration, such as 300s, 15m or 2h")
	}
	if d < 0 || d > protocol.MaxMinValid*time.Second {
		return 0, protocol.Errorf(protocol.CodeBadRequest, "--min-valid wants 0s to %s", protocol.MaxMinValid*time.Second)
	}
	return int((d + time.Second - 1) / time.Second), nil
}

// refused is the token that a server did not accept: one line of standard input. It is in no message.
func (r *run) refused(verb string) (string, error) {
	unfit := func(why string) error {
		return protocol.Errorf(protocol.CodeBadRequest, "--rejected reads the refused token from standard input, %s\nprintf '%%s\\n' \"$token\" | %s %s --rejected",
			why, r.called, verb)
	}
	if file, ok := r.stdin.(*os.File); ok {
		if info, err := file.Stat(); err == nil && info.Mode()&fs.ModeCharDevice != 0 {
			return "", unfit("and nothing is connected to that")
		}
	}
	type read struct {
		text string
		err  error
	}
	done := make(chan read, 1)
	go func() {
		text, err := r.line()
		done <- read{text, err}
	}()
	select {
	case got := <-done:
		switch {
		case got.err != nil:
			return "", got.err
		case got.text == "":
			return "", unfit("which is empty")
		case strings.ContainsAny(got.text, "\r\n"):
			return "", unfit("which has several lines")
		}
		return got.text, nil
	case <-time.After(rejectedPatience):
		return "", unfit(fmt.Sprintf("and none came in %d s", int(rejectedPatience.Seconds())))
	}
}

// line is the first line of standard input, which may stay open after it. Of what comes with that line
// nothing may follow.
func (r *run) line() (string, error) {
	in := bufio.NewReaderSize(io.LimitReader(r.stdin, protocol.MaxLine+1), protocol.MaxLine+1)
	text, err := in.ReadString('\n')
	if err != nil && err != io.EOF {
		return "", protocol.Errorf(protocol.CodeBadRequest, "standard input cannot be read: %v", reason(err))
	}
	if len(text) > protocol.MaxLine {
		return "", protocol.Errorf(protocol.CodeBadRequest, "standard input is longer than 64 KiB")
	}
	rest, _ := in.Peek(in.Buffered())
	return strings.TrimSpace(text + string(rest)), nil
}

// errHelp is that somebody asks for help.
var errHelp = errors.New("help is wanted")

func isHelp(arg string) bool { return arg == "--help" || arg == "-h" }

// helps is what VERB --help says.
var helps = map[string]string{
	"header": `Usage: ` + name + ` header [FLAGS] [SERVER]

Prints header lines for SERVER, https://fal.run by default: Authorization, and
X-Fal-User-Id where requests are attributed to a team.

  h=$(docker-credential-fal header) &&
    printf '%s\n' "$h" | curl -H @- https://fal.run/...
` + printHelp,
	"token": `Usage: ` + name + ` token [FLAGS] [SERVER]

Prints the bare secret for SERVER, https://fal.run by default: a key, or the
login's access token. It says neither which of the two it is, nor whom requests
are attributed to: header does, and so does --json. It is no value for FAL_KEY,
which is sent as a key.

  --json                a JSON object: ServerURL, Username (Key or Bearer),
                        Secret, Expires, and Headers to send besides
` + strings.TrimPrefix(printHelp, "\n"),
	"get": `Usage: echo SERVER | ` + name + ` get

Prints a JSON object with the credential for the server on standard input:
ServerURL, Username (Key or Bearer), Secret, Expires, and Headers to send
besides. Username and Secret, with a space between them, are the Authorization
value. Standard input can be an object, too:

  {"ServerURL":"https://fal.run","MinValid":300,"Team":"acme"}
  {"uri":"https://fal.run"}      as Bazel asks

Exit status: 0, or 1 with the error on standard output, as docker's helpers do.`,
	"list": `Usage: ` + name + ` list

Prints the servers that there is a credential for, and its kind:
{"https://fal.run":"Bearer",...}. Without a credential that is {}.`,
	"store": `Usage: ` + name + ` store <FILE

Makes a refresh token the login. It is tried first, and must be of the account
that is logged in. FILE holds an object:

  {"ServerURL":"https://fal.run","Username":"<token>","Secret":"..."}

People log in with: falcred login`,
	"erase": `Usage: echo https://fal.run | ` + name + ` erase

Logs out: the login is revoked at its issuer, and its file is deleted.
falcred logout does the same, and says what it did.`,
	"version": `Usage: ` + name + ` version

Prints the version.`,
}

const printHelp = `
  --min-valid DURATION  one that is good for so long still (300s, 15m, 2h), as
                        far as it can be had
  --rejected            the token on standard input was refused with 401: print
                        the next one
  --team NICKNAME       requests are that team's; "" is the login's own account.
                        Without it FALCRED_TEAM says, else the fal config

Exit status: 0; 1 no credential, or a mistake; 3 log in again (falcred login);
75 try again later. Nothing is printed on standard output unless it is 0.`

// helpFor is the help for a verb, or for all of them.
func helpFor(verb string) []byte {
	text, ok := helps[verb]
	if !ok {
		text = help
	}
	return fmt.Appendln(nil, text)
}
