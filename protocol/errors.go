package protocol

import (
	"errors"
	"fmt"

	"github.com/falcred/falcred/protocol/internal/ijson"
)

// Code says what kind of error an answer is. Clients act on the code and show
// the message; only the two docker messages are fixed word for word.
type Code string

// The codes of version 1. A client treats a code that it does not know as
// [CodeInternal].
const (
	CodeNotFound       Code = "not_found"
	CodeNoServerURL    Code = "no_server_url"
	CodeLoginRequired  Code = "login_required"
	CodeUnavailable    Code = "unavailable"
	CodeTeamUnresolved Code = "team_unresolved"
	CodeBadRequest     Code = "bad_request"
	CodeDenied         Code = "denied"
	CodeInternal       Code = "internal"
)

// Error is the error form of an answer.
type Error struct {
	Message string
	Code    Code
}

func (e *Error) members() []ijson.Member {
	return []ijson.Member{
		{Name: "Error", Value: &e.Message},
		{Name: "Code", Value: (*string)(&e.Code)},
	}
}

// Errors with a fixed text.
var (
	// ErrNotFound and ErrNoServerURL are docker's: its tools compare the messages byte
	// for byte.
	ErrNotFound    = &Error{Message: "credentials not found in native keychain", Code: CodeNotFound}
	ErrNoServerURL = &Error{Message: "no credentials server URL", Code: CodeNoServerURL}

	// ErrTooLong is a line over [MaxLine]. Where one was read, the beginning of the next
	// request is unknown, so the connection ends; one that was to be written is not.
	ErrTooLong = &Error{Message: "line longer than 64 KiB", Code: CodeBadRequest}
)

// What garbage is answered is made once.
var (
	errEmpty = Errorf(CodeBadRequest, "empty request")
	errVerb  = Errorf(CodeBadRequest, "malformed verb")
)

var (
	errInternal  = &Error{Message: "internal error", Code: CodeInternal}
	errMalformed = &Error{Message: "malformed answer", Code: CodeInternal}
)

func (e *Error) Error() string { return e.Message }

// Is compares by value: an error that crossed the wire is a new pointer.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t != nil && e != nil && *t == *e
}

// Errorf makes an Error. The text is shown to clients and logged, so no
// argument may be a secret or another library's error, which can quote one.
func Errorf(code Code, format string, args ...any) *Error {
	if len(args) == 0 { // the many that are made when a program starts
		return &Error{Message: format, Code: code}
	}
	return &Error{Message: fmt.Sprintf(format, args...), Code: code}
}

// AsError finds the *Error in err's chain. Any other error becomes a fixed,
// neutral one: library errors can quote a reply's body, and with it a
// token. It is nil for nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) && e != nil {
		return e
	}
	return errInternal
}
