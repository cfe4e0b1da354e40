package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/falcred/falcred/protocol"
	"github.com/spf13/cobra"
)

func newVersion() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version of falcred and of its protocol",
		Example: "  falcred version\n  falcred version --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printJSON(cmd.OutOrStdout(), protocol.VersionAnswer{Version: version(), Protocol: protocol.Version})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), versionLine())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}

func versionLine() string {
	return fmt.Sprintf("falcred %s (protocol %d, %s %s/%s)", version(), protocol.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// release is what a package was built as: packaging/build sets it.
var release string

// version is what the build recorded: the module's version where it was
// installed as one, else the commit.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && setting.Value != "" {
			return "devel-" + setting.Value[:min(12, len(setting.Value))]
		}
	}
	return "devel"
}

// printJSON prints one object for programs, readable for people too.
func printJSON(w io.Writer, v any) error { return encode(w, "  ", v) }

// printLines prints one line for each value: JSON lines.
func printLines[T any](w io.Writer, values []T) error {
	for _, v := range values {
		if err := encode(w, "", v); err != nil {
			return err
		}
	}
	return nil
}

// encode escapes all that a terminal could be commanded by: what others have written is in
// it. A program reads it as it was.
func encode(w io.Writer, indent string, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	var safe []byte
	for _, r := range text.String() {
		switch {
		case r == '\n' || strconv.IsGraphic(r):
			safe = utf8.AppendRune(safe, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			safe = fmt.Appendf(safe, `\u%04x\u%04x`, high, low)
		default:
			safe = fmt.Appendf(safe, `\u%04x`, r)
		}
	}
	_, err := w.Write(safe)
	return err
}
