//go:build man

// The manual's generator is a command of its own build: falcred itself links
// nothing of it.
package main

import (
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
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
			date := time.Unix(epoch, 0).UTC()
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{
				Title: "FALCRED", Section: "1", Date: &date,
				Source: "falcred " + version(), Manual: "falcred",
			}, args[0])
		},
	}
}
