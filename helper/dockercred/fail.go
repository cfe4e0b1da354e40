package dockercred

import (
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
	text, hint, _ := strings.Cut(err.Error(), "\n")
	if hint == "" {
		hint = hintFor(err)
	}
	text, hint = protocol.Printable(text), protocol.Printable(hint)
	forScripts := verb == "header" || verb == "token"
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
	if errors.Is(err, helper.ErrForeign) {
		return "that is not one of fal's servers; to add it: FALCRED_SERVERS=HOST, or FALCRED_SERVERS=http://127.0.0.1:PORT for one of this machine's"
	}
	switch codeOf(err) {
	case protocol.CodeNotFound:
		return "nobody is logged in, and FAL_KEY is not set: falcred login, or fal auth login"
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
