//go:build linux && system

package attacks

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
)

// §3: falcred.env decides where tokens go. One that another could have written
// is refused, and said; nothing of it is heeded.
func TestEnvFileOfOthers(t *testing.T) {
	t.Parallel()
	const attack = "falcred.env: writable by the group or by others, another's, a link to such, a FIFO, a folder, oversized, with FALCRED_SOCKET or nonsense in it"
	table.NeedRoot(t, attack)
	thief := newIssuer(t, idp.Config{})
	content := []byte("FALCRED_ISSUER=" + thief.URL + "\n")
	cases := map[string]func(s *scene, path string) error{
		"group-writable": func(_ *scene, path string) error { return writeMode(path, content, 0o660) },
		"world-writable": func(_ *scene, path string) error { return writeMode(path, content, 0o666) },
		"another's": func(_ *scene, path string) error {
			if err := writeMode(path, content, 0o600); err != nil {
				return err
			}
			return os.Chown(path, 12345, 12345)
		},
		"a link to a world-writable one": func(s *scene, path string) error {
			if err := writeMode(s.Base+"/elsewhere", content, 0o666); err != nil {
				return err
			}
			return os.Symlink(s.Base+"/elsewhere", path)
		},
		"a FIFO":   func(_ *scene, path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder": func(_ *scene, path string) error { return os.Mkdir(path, 0o700) },
		"oversized": func(_ *scene, path string) error {
			return writeMode(path, append(content, make([]byte, 2<<20)...), 0o600)
		},
		"the socket": func(_ *scene, path string) error { return writeMode(path, []byte("FALCRED_SOCKET=/tmp/x\n"), 0o600) },
		"not KEY=VALUE": func(s *scene, path string) error {
			s.issuer.secrets.add(plantedKey[7:])
			return writeMode(path, []byte("FAL_KEY "+plantedKey+"\n"), 0o600)
		},
	}
	for name, prepare := range cases {
		s := newScene(t, idp.Config{})
		s.login(2 * time.Hour)
		s.Must(prepare(s, s.Home+"/falcred.env"))
		for _, args := range [][]string{{"run"}, {"login"}, {"logout"}, {"doctor"}, {"team", "list"}} {
			cmd := s.command("falcred", args...)
			cmd.Env = slices.DeleteFunc(cmd.Env, func(entry string) bool { return strings.HasPrefix(entry, "FALCRED_ISSUER=") })
			out, code := s.finish(cmd, "")
			if code == 0 || !strings.Contains(out, "falcred.env") {
				t.Errorf("%s, %v: exit %d, %s", name, args, code, out)
			}
			s.wantNoLeakIn(out)
		}
	}
	if n := thief.Stats().TokenRequests + thief.Stats().Revocations; n != 0 {
		t.Errorf("the thief was asked %d times", n)
	}
	table.Report(t, attack, fmt.Sprintf("%d files, 5 commands each", len(cases)), "refused, and said; nobody whom they name was asked")
}

func writeMode(path string, content []byte, mode os.FileMode) error {
	if err := os.WriteFile(path, content, mode); err != nil {
		return err
	}
	return os.Chmod(path, mode) // whatever the umask
}
