// Package envfile is falcred.env: NAME=VALUE lines in a home, for what a service manager does
// not hand on, such as a proxy or a file of certificates.
//
// The file decides where tokens go, and can hold a key. So it is believed only where it is
// ours and nobody else can write it, and no text of this package shows a value: not that of
// an error, and not that about a line which is odd.
package envfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/disk"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/strict"
)

// Name is what the file is called, in each home.
const Name = "falcred.env"

// File is what stands in one. The zero File is one that is not there.
type File struct {
	Values map[string]string // by name; of two lines with one name the last counts
	Odd    []string          // what may not mean what was meant, a sentence each; the second line says what to do
}

// String leaves the values out of anything that prints a File by accident.
func (f File) String() string { return Name + " " + strings.Join(f.Names(), " ") }

// GoString does the same for %#v.
func (f File) GoString() string { return f.String() }

// Names are those that the file sets, sorted. A name that looks like no variable's is left
// out: it may be a part of a value.
func (f File) Names() []string {
	var names []string
	for name := range f.Values {
		if printable(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Over looks a variable up as the file's reader has it: by given, which is an environment and
// wins, also where it says "", and then in the file.
func (f File) Over(given func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if value, set := given(name); set {
			return value, true
		}
		value, set := f.Values[name]
		return value, set
	}
}

// Export puts the file into this process's environment, whose own variables stay as they are.
func (f File) Export() {
	for name, value := range f.Values {
		if name == env.OnDemand || name == env.Inheritance { // one process tells another
			continue
		}
		if _, set := os.LookupEnv(name); !set {
			os.Setenv(name, value)
		}
	}
}

// Read reads the file of a home. It need not be there, whatever the home is like then. What
// others could have written, what is no regular file of ours, more than 64 KiB, and what
// [parse] refuses is an error, whose second line says what to do.
func Read(home string) (File, error) {
	path := filepath.Join(home, Name)
	if _, err := disk.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return File{}, nil
	}
	text, err := read(path)
	if err != nil {
		return File{}, err
	}
	return parse(path, text)
}

func read(path string) (string, error) {
	file, err := strict.Open(path, os.O_RDONLY, 0)
	if err != nil {
		return "", notOurs(path, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if fsx.OthersCanWrite(info) {
		return "", &strict.Problem{Path: path, Text: path + " can be written by others", Hint: strict.Withdraw("go", path)}
	}
	text, err := io.ReadAll(io.LimitReader(file, fsx.MaxSmall+1))
	if err == nil && len(text) > fsx.MaxSmall {
		err = &strict.Problem{Path: path, Text: path + " is larger than 64 KiB", Hint: "remove from it what is not for falcred"}
	}
	return string(text), err
}

// notOurs names the owner, also where the kernel only says that we may not open it.
func notOurs(path string, err error) error {
	if info, lookErr := disk.Lstat(path); lookErr == nil && !strict.Ours(info) {
		return &strict.Problem{Path: path, Text: path + " belongs to another user", Hint: "remove it, or have it given to you: chown"}
	}
	return err
}

// line is one that sets a variable.
type line struct {
	number   int
	name     string
	value    string // without the quotes around it
	exported bool   // "export " stood before it
	spaced   bool   // spaces stood around the =
	quote    string // what stood at both ends of the value
}

// parse understands comments, blank lines, an `export ` in front and one pair of quotes around
// a value. A line that is something else is an error, and so is one that sets what cannot be
// set here. It is named by its number: it may hold a key (R12).
func parse(path, text string) (File, error) {
	var lines []line
	number, dos := 0, 0
	for raw := range strings.Lines(text) {
		number++
		if dos == 0 && strings.HasSuffix(raw, "\r\n") {
			dos = number
		}
		trimmed := strings.TrimSpace(raw)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		l, err := parseLine(trimmed)
		if err != nil {
			return File{}, fmt.Errorf("%s: line %d %w", path, number, err)
		}
		if err := settable(path, l); err != nil {
			return File{}, err
		}
		l.number = number
		lines = append(lines, l)
	}
	f := File{Values: map[string]string{}, Odd: odd(lines, dos)}
	for _, l := range lines {
		f.Values[l.name] = l.value
	}
	return f, nil
}

func parseLine(text string) (line, error) {
	const correct = "\ncorrect that line, or put # before it"
	var l line
	text, l.exported = strings.CutPrefix(text, "export ")
	before, after, found := strings.Cut(text, "=")
	l.name, l.value = strings.TrimSpace(before), strings.TrimSpace(after)
	switch {
	case strings.HasPrefix(text, "\ufeff"):
		return line{}, errors.New("begins with a byte order mark\nsave the file as UTF-8 without one (BOM)")
	case !found || !isName(l.name):
		return line{}, errors.New("is not KEY=VALUE" + correct)
	case strings.ContainsRune(l.value, 0):
		return line{}, errors.New("holds a NUL byte" + correct)
	}
	l.spaced = l.name != strings.TrimLeft(before, " \t") || len(l.value) != len(after)
	if n := len(l.value); n >= 2 && l.value[0] == l.value[n-1] && strings.ContainsRune(`"'`, rune(l.value[0])) {
		l.quote, l.value = l.value[:1], l.value[1:n-1]
	}
	return l, nil
}

// settable is why a line cannot stand here.
func settable(path string, l line) error {
	switch l.name {
	case "FAL_HOME_DIR", "FALCRED_SOCKET":
		return fmt.Errorf("%s cannot set %s: programs that look for the daemon do not read that file\nset it in the environment, theirs and the daemon's", path, l.name)
	case "FALCRED_TEAM":
		return fmt.Errorf("%s cannot set %s: it is for one shell, and one daemon serves them all\nset it in that shell; a team for all of them is chosen with: falcred team set NAME", path, l.name)
	case "FAL_CONFIG_PATH":
		if l.value != "" && l.value[0] != '~' && !filepath.IsAbs(l.value) {
			return fmt.Errorf("%s sets FAL_CONFIG_PATH to a relative path, which is another file in each working folder\ngive it an absolute path", path)
		}
	}
	return nil
}

func isName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
