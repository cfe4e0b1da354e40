package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// printHelp is a command's page of help. cobra's own says --json[=true|false] for a flag that people write
// as --json, and does not fit the screen.
func printHelp(cmd *cobra.Command, _ []string) {
	out := cmd.OutOrStdout()
	io.WriteString(out, helpPage(cmd, ui.Width(out)))
}

// helpPage has lines of so many columns, but for what stands there to be typed.
func helpPage(cmd *cobra.Command, columns int) string {
	var page strings.Builder
	for _, paragraph := range strings.Split(cmp.Or(cmd.Long, cmd.Short), "\n\n") {
		if !strings.HasPrefix(paragraph, " ") {
			paragraph = ui.Fold(strings.ReplaceAll(paragraph, "\n", " "), columns)
		}
		page.WriteString(paragraph + "\n\n")
	}
	page.WriteString("Usage:\n")
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&page, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&page, "  %s COMMAND\n", cmd.CommandPath())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&page, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		page.WriteString("\nCommands:\n")
		var rows [][2]string
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() || sub.Name() == "help" {
				rows = append(rows, [2]string{"  " + sub.Name(), sub.Short})
			}
		}
		printRows(&page, rows, columns)
	}
	for title, flags := range flagsOf(cmd) {
		fmt.Fprintf(&page, "\n%s:\n", title)
		var rows [][2]string
		for _, f := range flags {
			name, text := describe(f)
			if f.Shorthand == "" {
				name = "    " + name
			}
			rows = append(rows, [2]string{"  " + name, text})
		}
		printRows(&page, rows, columns)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&page, "\nMore about one of them: %s COMMAND --help\n", cmd.CommandPath())
	}
	return page.String()
}

// flagsOf are a command's own flags, and then those that it shares with its siblings.
func flagsOf(cmd *cobra.Command) func(yield func(string, []*pflag.Flag) bool) {
	return func(yield func(string, []*pflag.Flag) bool) {
		for _, set := range []struct {
			title string
			flags *pflag.FlagSet
		}{{"Flags", cmd.LocalFlags()}, {"Shared flags", cmd.InheritedFlags()}} {
			var flags []*pflag.Flag
			set.flags.VisitAll(func(f *pflag.Flag) {
				if !f.Hidden {
					flags = append(flags, f)
				}
			})
			if len(flags) > 0 && !yield(set.title, flags) {
				return
			}
		}
	}
}

// describe is a flag as people write it, and what it is for.
func describe(f *pflag.Flag) (name, text string) {
	_, text = pflag.UnquoteUsage(f)
	name = "--" + f.Name
	if f.Shorthand != "" {
		name = "-" + f.Shorthand + ", " + name
	}
	if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "false" {
		text += " (default " + f.DefValue + ")"
	}
	return strings.TrimSpace(name + " " + valueName(f)), text
}

// valueName is what stands for a flag's value, "" where it takes none.
func valueName(f *pflag.Flag) string {
	value, _ := pflag.UnquoteUsage(f)
	switch {
	case f.Value.Type() == "bool":
		return ""
	case value == "string":
		value = "text"
	}
	return strings.ToUpper(value)
}

// printRows prints two columns: of each row the second goes on below itself.
func printRows(page *strings.Builder, rows [][2]string, columns int) {
	left := 0
	for _, row := range rows {
		left = max(left, len(row[0])+2)
	}
	for _, row := range rows {
		fmt.Fprintf(page, "%-*s%s\n", left, row[0], ui.Hang(row[1], left, columns))
	}
}
