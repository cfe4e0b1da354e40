package helper

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/falcred/falcred/protocol"
)

// The environment of whoever runs the tests must not answer them.
func TestMain(m *testing.M) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "FAL") || name == "XDG_RUNTIME_DIR" {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// codeOf is "" for an error that is no [protocol.Error].
func codeOf(err error) protocol.Code {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
