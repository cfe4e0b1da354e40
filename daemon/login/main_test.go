package login

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

// roles are what the test binary plays where a process matters: FALCRED_TEST_ROLE says
// which.
var roles = map[string]func() error{}

func TestMain(m *testing.M) {
	testkit.Umask()
	if role := os.Getenv("FALCRED_TEST_ROLE"); role != "" {
		if err := roles[role](); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	// Those that may run side by side wait more than they work.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
