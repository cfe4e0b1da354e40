package doctor

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
)

// role has the test binary play a process of its own.
const role = "FALCRED_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "proxied" {
		playProxied()
		return
	}
	testkit.Umask()
	os.Exit(m.Run())
}

// playProxied examines an issuer as the environment has it be reached, which net/http
// reads once in a process's life.
func playProxied() {
	for _, f := range examineIssuer(context.Background(), Config{Config: login.Config{Issuer: os.Getenv("FALCRED_TEST_ISSUER")}}) {
		fmt.Printf("%s %s: %s; %s\n", f.Check, f.Result, f.Text, f.Hint)
	}
}
