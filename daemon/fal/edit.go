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
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// SetTeam writes the team, "" for none, and keeps the rest of the file to the
// byte: profiles, their keys, comments. A team has the CLI's choice of a profile taken out, as the
// CLI does it: it would use that profile's key, and no team. It takes no lock, as the CLI takes
// none. Where an error has a second line, that is a hint.
func (c Config) SetTeam(nickname string) error {
	if c.Path == "" {
		return errNoConfig
	}
	before, err := c.Read()
	if err != nil {
		return err
	}
	now, err := c.TeamIn(before)
	if err != nil {
		return err
	}
	there := len(before) > 0
	if !there { // also for no team: a daemon takes a file that is gone for an accident
		before = fmt.Appendf(nil, "[%s]\n", internal)
	}
	after := before
	if now != nickname {
		after, err = edit(before, "team", nickname)
	}
	if err == nil && nickname != "" {
		after, err = edit(after, "profile", "")
	}
	if err == nil && there && bytes.Equal(before, after) {
		return nil
	}
	if len(after) > maxConfig {
		err = errLarge
	}
	if err != nil {
		return fmt.Errorf("%s cannot be changed: %w\nset team under [%s] by hand, and take profile out", c.Path, err, internal)
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
		if info, err := disk.Stat(left); err == nil && time.Since(info.ModTime()) > time.Minute {
			disk.Remove(left)
		}
	}
	if err := fsx.WriteAtomic(target, after); err != nil {
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
