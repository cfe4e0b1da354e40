package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/falcred/falcred/helper/dockercred"
	"github.com/falcred/falcred/protocol"
)

// sideBySide runs what docker-credential-fal is for two programs of one
// machine, which differ in their environment alone.
func (d *demo) sideBySide(context.Context) error {
	key := map[string]string{"FAL_KEY": "demo-key-id:demo-key-secret"}
	both := map[string]string{"FAL_KEY": key["FAL_KEY"], "FAL_FORCE_AUTH_BY_USER": "1"}
	d.sees("FAL_KEY=...", key, "Key")
	d.sees("FAL_KEY=... FAL_FORCE_AUTH_BY_USER=1", both, "Bearer")
	return nil
}

func (d *demo) sees(shown string, env map[string]string, want string) {
	cred, err := d.get(env)
	switch {
	case err != nil:
		d.lapse("%s: %v", shown, err)
	case cred.Username != want:
		d.lapse("%s got a %s, not a %s", shown, cred.Username, want)
	default:
		d.Say("%-38s %s %s", shown, cred.Username, shorten(string(cred.Secret)))
	}
}

// get is `echo https://fal.run | docker-credential-fal get` with that
// environment.
func (d *demo) get(env map[string]string) (cred protocol.Credential, err error) {
	lookup := func(name string) (string, bool) {
		switch name {
		case "FAL_HOME_DIR", "HOME", "USERPROFILE":
			return d.path, true
		case "FALCRED_SOCKET":
			return d.socket, true
		case "FALCRED_AUTOSTART":
			return "0", true
		}
		value, ok := env[name]
		return value, ok
	}
	var stdout, stderr bytes.Buffer
	if code := dockercred.Run([]string{"get"}, strings.NewReader(protocol.DefaultServer), &stdout, &stderr, lookup); code != 0 {
		return cred, fmt.Errorf("docker-credential-fal get: exit status %d", code)
	}
	return cred, json.Unmarshal(stdout.Bytes(), &cred)
}

// shorten shows no more of a secret than its kind.
func shorten(secret string) string {
	return fmt.Sprintf("%s... (%d characters)", secret[:min(4, len(secret))], len(secret))
}
