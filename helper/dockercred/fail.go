package dockercred

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// bazelError is shown on standard error as well, where Bazel looks.
type bazelError struct{ error }

func (e bazelError) Unwrap() error { return e.error }

// fail prints an error as docker's contract has it: the text on standard
// output, the hint on standard error. The output of header and token is used as
// it comes, so there nothing but a credential is printed on it.
func (r *run) fail(verb string, err error) int {
	forScripts := verb == "header" || verb == "token"
	text, hint, _ := strings.Cut(err.Error(), "\n")
	switch {
	case !errors.Is(err, protocol.ErrNotFound):
		hint = cmp.Or(hint, hintFor(err))
	case !forScripts: // docker's tools compare these words to the letter
		text, hint = protocol.ErrNotFound.Message, text
	}
	text, hint = protocol.Printable(text), protocol.Printable(hint)
	if _, bazel := err.(bazelError); forScripts || bazel {
		fmt.Fprintln(r.stderr, text)
	}
	if hint != "" {
		fmt.Fprintln(r.stderr, hint)
	}
	if !forScripts {
		fmt.Fprintln(r.stdout, text)
		return exitFailure
	}
	switch codeOf(err) {
	case protocol.CodeLoginRequired:
		return exitLoginRequired
	case protocol.CodeUnavailable, protocol.CodeTeamUnresolved:
		return exitTryLater
	}
	return exitFailure
}

// hintFor is for errors without a hint of their own. Docker's have none: their messages
// are fixed to the letter.
func hintFor(err error) string {
	switch codeOf(err) {
	case protocol.CodeNotFound:
		return helper.ErrNobody.Error()
	case protocol.CodeLoginRequired:
		return "log in again: falcred login, or fal auth login"
	case protocol.CodeUnavailable, protocol.CodeTeamUnresolved:
		return "try again later; falcred status says more"
	case protocol.CodeInternal:
		return "see: falcred status"
	}
	return ""
}

func codeOf(err error) protocol.Code {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
