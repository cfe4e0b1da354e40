//go:build man

// The manual's generator is a command of its own build: falcred itself links
// nothing of it.
package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func init() { moreCommands = append(moreCommands, newMan) }

// newMan writes one page for each command. Their date is SOURCE_DATE_EPOCH's,
// so that two builds are the same.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the manual's pages",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			epoch, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
			if err != nil {
				return err
			}
			return writePages(cmd.Root(), args[0], time.Unix(epoch, 0).UTC())
		},
	}
}

// writePages writes a command's page, and those of the commands below it.
func writePages(cmd *cobra.Command, folder string, date time.Time) error {
	cmd.InitDefaultHelpFlag()
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	if err := os.WriteFile(filepath.Join(folder, name+".1"), []byte(manPage(cmd, name, date)), 0o644); err != nil { // #nosec G306 -- of a package: everybody's
		return err
	}
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() || sub.Name() == "help" {
			continue
		}
		if err := writePages(sub, folder, date); err != nil {
			return err
		}
	}
	return nil
}

// manPage is a page in mdoc(7).
func manPage(cmd *cobra.Command, name string, date time.Time) string {
	p := &roff{}
	p.line(".Dd %s", date.Format("January 2, 2006"))
	p.line(".Dt %s 1", strings.ToUpper(name))
	p.line(".Os falcred %s", version())
	p.line(".nh") // a name is to be copied whole
	p.line(".Sh NAME\n.Nm %s\n.Nd %s", name, strings.ToLower(cmd.Short[:1])+cmd.Short[1:])
	p.line(".Sh SYNOPSIS\n.Nm %s", cmd.CommandPath())
	p.synopsis(cmd)
	p.line(".Sh DESCRIPTION")
	status := ""
	for i, paragraph := range strings.Split(cmp.Or(cmd.Long, cmd.Short+"."), "\n\n") {
		if rest, is := strings.CutPrefix(paragraph, "Exit status: "); is {
			status = rest
			continue
		}
		if i > 0 && !strings.HasPrefix(paragraph, " ") {
			p.line(".Pp")
		}
		p.paragraph(paragraph)
	}
	p.flags(cmd)
	p.commands(cmd)
	about := aboutPage(cmd)
	p.list("ENVIRONMENT", "Ev", about.environment, variableMeanings)
	p.list("FILES", "Pa", about.files, fileMeanings)
	p.line(".Sh EXIT STATUS")
	p.paragraph(exitStatus(status))
	if cmd.HasExample() {
		p.line(".Sh EXAMPLES")
		p.literal(cmd.Example)
	}
	p.seeAlso(cmd)
	return p.String()
}

// exitStatus is what the help says of it, and what all commands have.
func exitStatus(said string) string {
	said = strings.Replace("\n"+cmp.Or(said, "0; 1 it failed."), "\n0;", "0 on success;", 1)
	if !regexp.MustCompile(`[;,] 2 `).MatchString(said) {
		said += "\nA mistake on the command line ends with 2."
	}
	return strings.TrimSpace(said)
}

// roff is a page as it grows.
type roff struct{ strings.Builder }

func (p *roff) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *roff) synopsis(cmd *cobra.Command) {
	for _, set := range flagsOf(cmd) {
		for _, f := range set {
			p.line(".Op %s", flagMacro(f))
		}
	}
	if cmd.HasAvailableSubCommands() {
		p.line(".Op Ar COMMAND")
	}
	for _, word := range strings.Fields(cmd.Use)[1:] {
		if name := strings.Trim(word, "[]"); name != word {
			p.line(".Op Ar %s", name)
		} else {
			p.line(".Ar %s", name)
		}
	}
}

// flagMacro is a flag by its names, and what stands behind it.
func flagMacro(f *pflag.Flag) string {
	text := `Fl \-` + strings.ReplaceAll(f.Name, "-", `\-`)
	if f.Shorthand != "" {
		text = "Fl " + f.Shorthand + " , " + text
	}
	if value := valueName(f); value != "" {
		text += " Ar " + value
	}
	return text
}

func (p *roff) flags(cmd *cobra.Command) {
	p.line(".Pp\nThe options are:\n.Bl -tag -width Ds")
	for _, set := range flagsOf(cmd) {
		for _, f := range set {
			_, text := describe(f)
			p.line(".It %s", flagMacro(f))
			p.paragraph(strings.ToUpper(text[:1]) + text[1:] + ".")
		}
	}
	p.line(".El")
}

func (p *roff) commands(cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() {
		return
	}
	p.line(".Pp\nThe commands are:\n.Bl -tag -width Ds")
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			p.line(".It Xr %s 1", strings.ReplaceAll(sub.CommandPath(), " ", "-"))
			p.paragraph(sub.Short + ".")
		}
	}
	p.line(".El")
}

// list is a section of names, each with what it is.
func (p *roff) list(section, macro string, names []string, meaning map[string]string) {
	p.line(".Sh %s", section)
	if len(names) == 0 {
		p.line("None.")
		return
	}
	p.line(".Bl -tag -width Ds")
	for _, name := range names {
		text, known := meaning[name]
		if !known {
			panic("nothing is known of " + name)
		}
		p.line(".It %s %s", macro, escape(name))
		p.paragraph(text)
	}
	p.line(".El")
}

func (p *roff) seeAlso(cmd *cobra.Command) {
	p.line(".Sh SEE ALSO")
	if cmd.HasParent() {
		p.line(".Xr docker-credential-fal 1 ,\n.Xr %s 1 ,\n.Xr falcred.env 5", strings.ReplaceAll(cmd.Parent().CommandPath(), " ", "-"))
		return
	}
	p.line(".Xr docker-credential-fal 1 ,\n.Xr falcred.env 5")
}

// paragraph is text, or where it is indented what has to stay as it stands.
func (p *roff) paragraph(text string) {
	if strings.HasPrefix(text, " ") {
		p.literal(text)
		return
	}
	joined := strings.Join(strings.Fields(text), " ")
	for _, sentence := range strings.Split(sentenceEnd.ReplaceAllString(joined, "$1\n$2"), "\n") {
		for _, line := range strings.Split(ui.Fold(sentence, 70), "\n") {
			p.line("%s", escape(line))
		}
	}
}

// sentenceEnd is where mdoc wants a new line.
var sentenceEnd = regexp.MustCompile(`([.!?:][)"]?) ([A-Z-])`)

func (p *roff) literal(text string) {
	p.line(".Bd -literal -offset indent")
	for _, line := range strings.Split(strings.Trim(text, "\n"), "\n") {
		p.line("%s", escape(strings.TrimPrefix(line, "  ")))
	}
	p.line(".Ed")
}

// escape keeps a line from being roff, and its signs as they are typed.
func escape(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(line)
	if strings.HasPrefix(line, ".") {
		line = `\&` + line
	}
	return line
}
