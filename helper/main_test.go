package helper

import (
	"errors"
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
)

func TestMain(m *testing.M) {
	testkit.Isolate()
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
