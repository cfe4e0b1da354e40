// Package fal is what falcred shares with fal's own programs beside the login: the
// CLI's configuration file, which names the team that requests are attributed to, and
// fal's REST host, which knows a team's id.
//
// It promises:
//
//   - The configuration is changed in one line, and kept to the byte otherwise:
//     profiles, their keys, comments. What cannot be changed so is left alone.
//   - No error quotes the configuration, which can hold a profile's key, or what a
//     host has answered.
//   - A list of accounts is fal's own: no redirect, nothing over a cap, and no empty
//     list, which would look as if a team were gone.
package fal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// Config is the fal CLI's configuration file. falcred reads the team and
// whether the profile has a key, and writes the team only.
type Config struct{ Path string }

// internal is the CLI's table for its own settings.
const internal = "__internal__"

// maxConfig caps a reading; a real one has a few lines for each profile.
const maxConfig = 1 << 20

// Locate finds it as the CLI does: FAL_CONFIG_PATH, or ~/.fal/config.toml, which
// does not follow FAL_HOME_DIR. lookup is os.LookupEnv, or like it.
func Locate(lookup func(string) (string, bool)) (Config, error) {
	path, _ := lookup("FAL_CONFIG_PATH")
	if filepath.IsAbs(path) {
		return Config{path}, nil
	}
	standard, err := env.DefaultHome(lookup)
	if err != nil {
		return Config{}, err
	}
	switch rest, home := strings.CutPrefix(path, "~/"); {
	case path == "":
		return Config{filepath.Join(standard, "config.toml")}, nil
	case home:
		return Config{filepath.Join(filepath.Dir(standard), rest)}, nil
	}
	return Config{}, fmt.Errorf("FAL_CONFIG_PATH is not an absolute path: %q", path)
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
// so that it can be empty or half-written for a moment.
func (c Config) Read() ([]byte, error) {
	file, err := fsx.OpenAny(c.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxConfig {
		return nil, fmt.Errorf("%s is not a small regular file", c.Path)
	}
	data := make([]byte, info.Size())
	n, err := file.ReadAt(data, 0)
	if n < len(data) {
		return nil, fmt.Errorf("%s was cut while it was being read: %v", c.Path, err)
	}
	return data, nil
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

// Profile is the profile that the CLI uses (chosen, which is FAL_PROFILE's, else the
// config's own choice), and whether it has a key: the CLI prefers that to the login.
func (c Config) Profile(chosen string) (name string, hasKey bool, err error) {
	data, err := c.Read()
	if err != nil {
		return "", false, err
	}
	settings, err := c.parse(data)
	if err != nil {
		return "", false, err
	}
	if own, _ := settings[internal].(map[string]any); chosen == "" && own != nil {
		chosen, _ = own["profile"].(string)
	}
	profile, _ := settings[chosen].(map[string]any)
	key, _ := profile["key"].(string)
	return chosen, key != "", nil
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

// SetTeam writes the team, "" for none, and keeps the rest of the file to the
// byte: other profiles, their keys, comments. It takes no lock, as the CLI takes none.
// Where an error has a second line, that is a hint.
func (c Config) SetTeam(nickname string) error {
	before, err := c.Read()
	if err != nil {
		return err
	}
	now, err := c.TeamIn(before)
	if err != nil {
		return err
	}
	if now == nickname && len(before) > 0 {
		return nil
	}
	if len(before) == 0 { // also for no team: a daemon takes a file that is gone for an accident
		before = fmt.Appendf(nil, "[%s]\n", internal)
	}
	after, err := edit(before, "team", nickname)
	if err != nil {
		return fmt.Errorf("%s cannot be changed: %w\nset team under [%s] by hand", c.Path, err, internal)
	}
	target, err := fsx.Resolve(c.Path)
	if errors.Is(err, fsx.ErrDangling) {
		return fmt.Errorf("%s %w", c.Path, err)
	}
	if err != nil {
		return err
	}
	if err := fsx.CheckPlace(target); err != nil {
		return err
	}
	// Before anything is made there; the write checks it again.
	if err := strict.File(c.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsx.MakeFolder(filepath.Dir(target)); err != nil {
		return err
	}
	for _, left := range fsx.Temporaries(target) {
		// A killed one's; it can hold a profile's key.
		if info, err := fsx.Stat(left); err == nil && time.Since(info.ModTime()) > time.Minute {
			fsx.Remove(left)
		}
	}
	err = fsx.WriteAtomic(target, after)
	if fsx.IsMountPoint(err) {
		err = fsx.WriteInPlace(target, after)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w\n%s", target, fsx.Cause(err), fsx.Hint(err))
	}
	return nil
}

// UnsetTeam is for a logout: where no team is named, nothing is written.
func (c Config) UnsetTeam() error {
	if name, err := c.Team(); err != nil || name == "" {
		return err
	}
	return c.SetTeam("")
}

// errUnusual is why a file is left alone: an edit of its text could change more than one line.
var errUnusual = errors.New("it is written in a way that falcred does not edit")

// edit changes one setting of [__internal__], or takes it out, and proves that
// it changed nothing else.
func edit(before []byte, name, value string) ([]byte, error) {
	after, err := splice(before, name, value)
	if err != nil {
		return nil, err
	}
	was, is := map[string]any{}, map[string]any{}
	if toml.Unmarshal(before, &was) != nil || toml.Unmarshal(after, &is) != nil {
		return nil, errUnusual
	}
	want, _ := was[internal].(map[string]any)
	if want == nil {
		want = map[string]any{}
	}
	was[internal] = want
	if delete(want, name); value != "" {
		want[name] = value
	}
	if is[internal] == nil {
		is[internal] = map[string]any{}
	}
	if fmt.Sprintf("%#v", was) != fmt.Sprintf("%#v", is) { // DeepEqual finds no nan equal
		return nil, errUnusual
	}
	return after, nil
}

// splice works on the text: a decoder and an encoder would lose the comments.
func splice(text []byte, name, value string) ([]byte, error) {
	line := fmt.Appendf(nil, "%s = %s", name, quote(value))
	if value == "" {
		line = nil
	}
	if value != "" && len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(bytes.Clone(text), '\n')
	}
	header, setting, err := find(text, name)
	switch {
	case err != nil:
		return nil, err
	case setting != nil && value == "":
		start, end := setting[0], setting[1]
		if next := bytes.IndexByte(text[end:], '\n'); next >= 0 {
			end += next + 1
		}
		return slices.Concat(text[:start], text[end:]), nil
	case setting != nil:
		return slices.Concat(text[:setting[0]], line, text[setting[1]:]), nil
	case value == "":
		return text, nil
	case header > 0:
		return slices.Concat(text[:header], line, []byte("\n"), text[header:]), nil
	}
	return fmt.Appendf(bytes.Clone(text), "[%s]\n%s\n", internal, line), nil
}

// find says where [__internal__] begins to have room for a line, and where the
// setting stands, from its key to the end of its value.
func find(text []byte, name string) (header int, setting []int, err error) {
	p := unstable.Parser{}
	p.Reset(text)
	var table []string
	for p.NextExpression() {
		node := p.Expression()
		keys, last := keysOf(node)
		switch node.Kind {
		case unstable.Table:
			table = keys
			if slices.Equal(table, []string{internal}) {
				header = nextLine(text, int(last.Offset+last.Length))
			}
		case unstable.ArrayTable:
			table = keys
		case unstable.KeyValue:
			if slices.Equal(slices.Concat(table, keys), []string{internal, name}) {
				if len(table) == 0 {
					return 0, nil, errUnusual
				}
				setting = []int{int(node.Raw.Offset), int(node.Raw.Offset + node.Raw.Length)}
			}
		}
	}
	return header, setting, p.Error()
}

func keysOf(node *unstable.Node) (keys []string, last unstable.Range) {
	for key := node.Key(); key.Next(); {
		keys = append(keys, string(key.Node().Data))
		last = key.Node().Raw
	}
	return keys, last
}

func nextLine(text []byte, from int) int {
	if next := bytes.IndexByte(text[from:], '\n'); next >= 0 {
		return from + next + 1
	}
	return len(text)
}

// quote writes a basic string (TOML 1.0). A nickname has nothing to escape;
// whatever else comes is checked by reading it again.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
