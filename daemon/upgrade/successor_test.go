//go:build linux || darwin

package upgrade

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/env"
)

// successor is a script that is ready at once, and leaves a file when its predecessor has let go.
const successor = `if [ "$1" = version ]; then echo '{"Version":"2.0","Protocol":1}'; exit; fi
[ "$FALCRED_INHERITANCE" = listener,lock,ready,end ] || exit 9
echo ready >&5; exec 5>&-
read x <&6
echo begun >"$0.begun"
`

// start starts the new program, as a daemon does that has found it.
func (p *Program) startNew(t *testing.T, script string) (*Successor, error) {
	t.Helper()
	p.replace(t, "#!/bin/sh\n"+script, 0o755)
	if _, err := p.newer(t, nil); err != nil {
		t.Fatal(err)
	}
	var files [2]*os.File
	for i := range files {
		file, err := os.Open(os.DevNull)
		testkit.Must(t, err)
		defer file.Close()
		files[i] = file
	}
	return p.Start(t.Context(), files)
}

// begun says whether the successor saw its predecessor let go.
func (p *Program) begun() bool {
	_, err := os.Stat(p.Path + ".begun")
	return err == nil
}

// S9: a successor waits until it is let; one that is killed before has done nothing.
func TestSuccessor_S9(t *testing.T) {
	p := started(t)
	s, err := p.startNew(t, successor)
	testkit.Must(t, err)
	if !s.Alive() || p.begun() {
		t.Errorf("alive %v, begun %v before it is let", s.Alive(), p.begun())
	}
	s.Kill()
	if s.Alive() || p.begun() {
		t.Errorf("alive %v, begun %v after its end", s.Alive(), p.begun())
	}
	s, err = p.startNew(t, successor+"# another\n")
	testkit.Must(t, err)
	s.Begin()
	<-s.Gone()
	if !p.begun() {
		t.Error("it has not begun")
	}
}

// S9: one that is not ready has ended when that is said.
func TestSuccessorThatIsNotReady_S9(t *testing.T) {
	version := strings.SplitAfter(successor, "\n")[0]
	for script, says := range map[string]string{
		"exit 3":                            "it ended at once: exit status 3",
		"echo whatever >&5; exec sleep 100": "it says something else than falcred would",
		"exec 5>&-; exec sleep 100":         "it does not say that it is ready",
		"mv $0 $0.old; cp $0.old $0; echo ready >&5; exec sleep 100": ErrReplaced.Error(),
	} {
		p := started(t)
		if _, err := p.startNew(t, version+script+"\n"); err == nil || err.Error() != says || errors.Is(err, ErrReplaced) != (says == ErrReplaced.Error()) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// S9: what is handed over is described, and a description that is not known is refused. Children
// know nothing of it.
func TestInherited_S9(t *testing.T) {
	if i, err := Inherited(); i != nil || err != nil {
		t.Errorf("of nobody: %v, %v", i, err)
	}
	t.Setenv(env.Inheritance, "listener,share,lock,ready,end")
	if i, err := Inherited(); i != nil || err == nil || !strings.Contains(err.Error(), "falcred restart") {
		t.Errorf("of a stranger: %v, %v", i, err)
	}
	if value, set := os.LookupEnv(env.Inheritance); set {
		t.Errorf("children would have %q", value)
	}
}
