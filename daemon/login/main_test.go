package login

import (
	"flag"
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

func TestMain(m *testing.M) {
	testkit.Umask()
	// Those that may run side by side wait more than they work.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
