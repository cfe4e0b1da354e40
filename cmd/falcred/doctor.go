package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/protocol"
	"github.com/spf13/cobra"
)

const doctorHelp = `Look for what does not work on this machine, or works with a catch: the home,
falcred.env (by names, never values), the token file, the lock, the daemon and its
socket, the issuer, and what this shell's environment hides. It changes nothing but
a token file's mode that others could read, starts no daemon but the one of a socket
that systemd holds, and sends no credential anywhere. Another issuer than fal's is
asked for a login's code, which nobody confirms.

Exit status: 0 all is well, 1 there is a catch, 2 something does not work.`

func newDoctor() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Find out what does not work, and what to do about it",
		Long:    doctorHelp,
		Example: "  falcred doctor\n  falcred doctor --json | jq '.[] | select(.Result != \"ok\")'",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := examine(cmd.Context())
			out := cmd.OutOrStdout()
			var err error
			if asJSON {
				err = printJSON(out, findings)
			} else {
				err = printFindings(out, ui.NewPaint(out), findings)
			}
			if err != nil {
				return err
			}
			return exitCode(worst(findings))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// examine checks everything, whatever it finds on the way.
func examine(ctx context.Context) []doctor.Finding {
	shell := environment() // before falcred.env is read
	now, hangs := inTime("asking the daemon", statusPatience, func() (*standing, error) { return standNow(ctx), nil })
	if hangs != nil {
		text, hint, _ := strings.Cut(hangs.Error(), "\n")
		return []doctor.Finding{{Check: "filesystem", Result: doctor.Fail, Text: text, Hint: hint}}
	}
	cfg, findings, usable := lookAround()
	without := worst(findings) == 2 // falcred.env, or a setting, is refused
	if usable && said(findings, now.Error) {
		now = stand(ctx) // a client took offence at the same
	}
	if usable {
		findings = append(findings, doctor.Examine(ctx, doctor.Config{Config: cfg.Config, Socket: cfg.Socket, ShareSocket: cfg.ShareSocket})...)
		findings = append(findings, examinePlaces(cfg.Home)...)
	}
	findings = append(findings, examineDaemon(ctx, now, findings)...)
	if !without { // it may name another way, and another fal config
		findings = examineWay(findings, shell, cfg, now.Daemon != nil)
		findings = append(findings, examineTeam(now.Daemon, cfg)...)
	}
	onPath := examineHelper(ctx) // before the service, whose manager's tools may lie beside this shell's PATH
	findings = append(append(findings, examineService(ctx, now.Daemon)...), onPath)
	findings = append(findings, examineKeys(shell, cfg)...)
	return append(findings, examineNamedTeam(now.Shell, findings)...)
}

// said is whether a finding says that already.
func said(findings []doctor.Finding, text string) bool {
	return text != "" && slices.ContainsFunc(findings, func(f doctor.Finding) bool { return strings.HasPrefix(f.Text, text) })
}

func worst(findings []doctor.Finding) (code int) {
	for _, f := range findings {
		switch f.Result {
		case doctor.Warn:
			code = max(code, 1)
		case doctor.Fail:
			code = 2
		}
	}
	return code
}

func printFindings(w io.Writer, colour ui.Paint, findings []doctor.Finding) error {
	_, err := io.WriteString(w, findingsPage(colour, findings, ui.LineWidth(w)))
	return err
}

// findingsPage has the texts beside the checks that they are about, in lines of so many columns.
func findingsPage(colour ui.Paint, findings []doctor.Finding, columns int) string {
	const left = 18
	beside := func(text string) string { return ui.Hang(protocol.Printable(text), left, columns) }
	var page strings.Builder
	for _, f := range findings {
		mark := colour.Green("ok  ")
		switch f.Result {
		case doctor.Warn:
			mark = colour.Yellow("warn")
		case doctor.Fail:
			mark = colour.Red("FAIL")
		}
		fmt.Fprintf(&page, "%s  %-11s %s\n", mark, f.Check, beside(f.Text))
		if f.Hint != "" {
			fmt.Fprintf(&page, "%*s%s\n", left, "", beside(f.Hint))
		}
	}
	return page.String()
}
