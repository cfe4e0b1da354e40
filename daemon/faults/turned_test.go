//go:build linux && system

package faults

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// turnable builds falcred, once, with a wall clock that a test can turn, as
// settimeofday would: every reading of it (time.Now) is moved, and neither the
// monotonic clock nor a timer is. The machine's own clock is not ours, and time
// namespaces do not cover it.
var turnable = sync.OnceValues(func() (string, error) {
	list, err := overlay()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(filepath.Dir(plain), "turnable")
	args := []string{"-overlay", list}
	if raceDetector {
		args = append(args, "-race")
	}
	return bin, testkit.Build("", bin, append(args, "../../cmd/falcred")...)
})

// overlay writes what replaces the standard library's time.go while compiling:
// that file, with one line more where it reads the clock.
func overlay() (list string, err error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	library := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	source, err := os.ReadFile(filepath.Join(library, "time.go"))
	if err != nil {
		return "", err
	}
	const reading = "\tsec, nsec, mono := runtimeNow()\n"
	if n := strings.Count(string(source), reading); n != 1 {
		return "", fmt.Errorf("this Go's time.go reads the clock in %d places: look at it again", n)
	}
	patched := filepath.Join(filepath.Dir(plain), "time.go")
	if err := os.WriteFile(patched, []byte(strings.Replace(string(source), reading, reading+"\tsec += jump()\n", 1)), 0o600); err != nil {
		return "", err
	}
	jump, err := filepath.Abs("testdata/clock/jump.go")
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(library, "time.go"): patched,
		filepath.Join(library, "jump.go"): jump,
	}})
	if err != nil {
		return "", err
	}
	list = filepath.Join(filepath.Dir(plain), "overlay.json")
	return list, os.WriteFile(list, text, 0o600)
}

// wallClock is the one of a scene's daemons.
type wallClock struct {
	*testing.T
	file *os.File
}

// ownClock gives the scene's daemons a clock of their own.
func (s *scene) ownClock() *wallClock {
	s.Helper()
	bin, err := turnable()
	s.Must(err)
	s.bin = bin
	file, err := os.Create(filepath.Join(s.Base, "clock"))
	s.Must(err)
	s.Cleanup(func() { file.Close() })
	s.More = append(s.More, "FAULTS_CLOCK="+file.Name())
	c := &wallClock{s.T, file}
	c.turn(0)
	return c
}

// turn sets the clock: so far from the machine's.
func (c *wallClock) turn(ahead time.Duration) {
	c.Helper()
	if _, err := c.file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(int64(ahead/time.Second))), 0); err != nil {
		c.Fatal(err)
	}
}
