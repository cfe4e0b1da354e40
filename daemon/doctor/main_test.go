package doctor

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/testkit"
)

func TestMain(m *testing.M) {
	testkit.PlayRole(map[string]func() error{"proxied": playProxied})
	testkit.Isolate()
	os.Exit(m.Run())
}

// playProxied examines an issuer as the environment has it be reached, which net/http
// reads once in a process's life.
func playProxied() error {
	for _, f := range examineIssuer(context.Background(), Config{Config: login.Config{Issuer: os.Getenv("FALCRED_TEST_ISSUER")}}) {
		fmt.Printf("%s %s: %s; %s\n", f.Check, f.Result, f.Text, f.Hint)
	}
	return nil
}
