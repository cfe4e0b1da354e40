// Package fal is what falcred shares with fal's own programs beside the login: the
// CLI's configuration file, which names the team that requests are attributed to, and
// fal's REST host, which knows a team's id.
//
// It promises:
//
//   - The configuration is changed in one line, and kept to the byte otherwise:
//     profiles, their keys, comments. What cannot be changed so is left alone.
//   - A reading waits for nobody and is capped, whatever stands at the path.
//   - No error quotes the configuration, which can hold a profile's key, or what a
//     host has answered.
//   - A list of accounts is fal's own: no redirect, nothing over a cap, and no empty
//     list, which would look as if a team were gone.
package fal

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/pelletier/go-toml/v2"
)

// Config is the fal CLI's configuration file. falcred reads from it the team, the host of the
// CLI's profile and whether that has a key. It writes the team, and takes the choice of a profile
// out for that.
type Config struct {
	Path    string // absolute; "" where there is to be no configuration
	Profile string // what FAL_PROFILE chooses; "" leaves it to the file
}

// internal is the CLI's table for its own settings.
const internal = "__internal__"

// maxConfig caps a reading, in bytes; a real one has a few lines for each profile. go-toml
// takes time by the square of the number of tables: half a second for as many as fit here.
const maxConfig = fsx.MaxSmall

var (
	errLarge    = errors.New("it is larger than 64 KiB")
	errNoConfig = errors.New("there is no fal config to write the team into: FAL_CONFIG_PATH is set and empty, or there is no home folder\nunset FAL_CONFIG_PATH, or give it a path")
)

// Locate finds it as the CLI does: at FAL_CONFIG_PATH, else at ~/.fal/config.toml, which does
// not follow FAL_HOME_DIR. A path may begin with ~ or ~user; a relative one is of the working
// folder that this process has now. One that is set and empty is none at all, and so is the
// standard one where nothing says what the home folder is. lookup is os.LookupEnv, or like it.
func Locate(lookup func(string) (string, bool)) (Config, error) {
	profile, _ := lookup("FAL_PROFILE")
	path, set := lookup("FAL_CONFIG_PATH")
	if !set {
		standard, err := env.DefaultHome(lookup)
		if err != nil {
			return Config{}, nil // as the CLI, which finds none then
		}
		return Config{filepath.Join(standard, "config.toml"), profile}, nil
	}
	if path == "" {
		return Config{}, nil
	}
	if strings.ContainsFunc(path, unicode.IsControl) {
		return Config{}, fmt.Errorf("FAL_CONFIG_PATH holds a control character: %q", path)
	}
	path, err := env.ExpandUser(lookup, "FAL_CONFIG_PATH", path)
	if err != nil {
		return Config{}, err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return Config{}, fmt.Errorf("FAL_CONFIG_PATH is relative, and the working folder is not known: %w\ngive it an absolute path", err)
	}
	return Config{path, profile}, nil
}

// Team is the nickname that requests of a login are attributed to, "" for the
// personal account. A file that is not there names none.
func (c Config) Team() (string, error) {
	data, err := c.Read()
	if err != nil {
		return "", err
	}
	return c.TeamIn(data)
}

// Read is the file's content as it is now, nil where there is none: for TeamIn, and for those
// who have to tell an empty file from one without a team. The CLI writes it in place,
// so that it can be empty or half-written for a moment. It waits for nobody.
func (c Config) Read() ([]byte, error) {
	data, _, err := c.read()
	return data, err
}

func (c Config) read() (data []byte, info fs.FileInfo, err error) {
	if c.Path == "" {
		return nil, nil, nil
	}
	file, err := strict.OpenAny(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err = file.Stat()
	switch {
	case err != nil:
		return nil, nil, err
	case info.Size() > maxConfig:
		return nil, nil, fmt.Errorf("%s is not read: %w", c.Path, errLarge)
	}
	data = make([]byte, info.Size())
	n, err := file.ReadAt(data, 0)
	if n < len(data) {
		return nil, nil, fmt.Errorf("%s was cut while it was being read: %w", c.Path, err)
	}
	return data, info, nil
}

// TeamIn is Team, of a content that has been read.
func (c Config) TeamIn(data []byte) (string, error) {
	settings, err := c.parse(data)
	if err != nil {
		return "", err
	}
	own, isTable := settings[internal].(map[string]any)
	if settings[internal] != nil && !isTable {
		return "", fmt.Errorf("%s: %s is not a table", c.Path, internal)
	}
	team, isText := own["team"].(string)
	if own["team"] != nil && !isText {
		return "", fmt.Errorf("%s: team under [%s] is not a string", c.Path, internal)
	}
	return team, nil
}

// Key is the profile that the CLI uses (chosen, which is FAL_PROFILE's, else the config's own
// choice), and whether it has a key: the CLI prefers that to the login.
func (c Config) Key(chosen string) (name string, hasKey bool, err error) {
	data, err := c.Read()
	if err != nil {
		return "", false, err
	}
	name, profile, err := c.profile(data, chosen)
	key, _ := profile["key"].(string)
	return name, key != "", err
}

// profile is the table that the CLI uses, nil where there is none of that name.
func (c Config) profile(data []byte, chosen string) (name string, table map[string]any, err error) {
	settings, err := c.parse(data)
	if err != nil {
		return "", nil, err
	}
	own, _ := settings[internal].(map[string]any)
	if chosen == "" && own != nil {
		chosen, _ = own["profile"].(string)
	}
	if chosen == internal { // which is no profile
		return chosen, nil, nil
	}
	table, _ = settings[chosen].(map[string]any)
	return chosen, table, nil
}

// Host is the gRPC host that the CLI's profile names, "" where it names none, of which the CLI
// makes its REST host; from says where it stands. Who can write it chooses to whom a token is
// sent, so that the file must be ours, and nobody else may be able to write it, or to put
// another one in its place: else the error is a *[strict.Problem].
func (c Config) Host() (host, from string, err error) {
	data, info, err := c.read()
	if err != nil {
		return "", "", err
	}
	name, profile, err := c.profile(data, c.Profile)
	if err != nil || profile["host"] == nil || profile["host"] == "" {
		return "", "", err
	}
	from = fmt.Sprintf("host under [%s] in %s", short(name), c.Path)
	host, isText := profile["host"].(string)
	if !isText {
		return "", "", fmt.Errorf("%s is not a string", from)
	}
	if p := c.others(info); p != nil {
		p.Text = from + " is not used: " + p.Text
		return "", "", p
	}
	return host, from, nil
}

// Others is who else can change the file, nil where nobody can, or where there is none.
func (c Config) Others() *strict.Problem {
	_, info, err := c.read()
	if err != nil || info == nil {
		return nil
	}
	return c.others(info)
}

func (c Config) others(info fs.FileInfo) *strict.Problem {
	switch {
	case !strict.Ours(info):
		return &strict.Problem{Path: c.Path, Text: c.Path + " belongs to another user", Hint: "name the REST host by FAL_REST_HOST, or use a config of your own"}
	case fsx.OthersCanWrite(info):
		return &strict.Problem{Path: c.Path, Text: c.Path + " can be written by others", Hint: strict.Withdraw("go", c.Path)}
	}
	return strict.As(strict.File(c.Path))
}

// short keeps a name in an error to one short line.
func short(name string) string {
	if len(name) > 40 {
		name = name[:40] + "..."
	}
	return strings.Trim(fmt.Sprintf("%q", name), `"`)
}

// parse does not fill a struct: its fields would also take "Team" and "__INTERNAL__",
// which are other names to TOML and to the CLI.
func (c Config) parse(data []byte) (settings map[string]any, err error) {
	if err := toml.Unmarshal(data, &settings); err != nil {
		return nil, fmt.Errorf("%s cannot be read as TOML%s", c.Path, where(err))
	}
	return settings, nil
}

// where names the line and column of an error, and not its text: that can quote a profile's
// key (R12).
func where(err error) string {
	var e *toml.DecodeError
	if !errors.As(err, &e) {
		return ""
	}
	row, column := e.Position()
	return fmt.Sprintf(" (line %d, column %d)", row, column)
}
