//go:build linux || darwin

package upgrade

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol/strict"
)

// answers is a program that says a version, and leaves its environment beside itself.
const answers = "#!/bin/sh\nenv >\"$0.env\"\necho '{\"Version\":\"2.0\",\"Protocol\":1}'\n"

// started is a program that runs, in a folder of ours.
func started(t *testing.T) *Program {
	t.Helper()
	path := filepath.Join(testkit.ShortDir(t), "falcred")
	testkit.Must(t, os.WriteFile(path, []byte("the first"), 0o755))
	p := Started([]string{path, "run"}, []string{"PATH=" + os.Getenv("PATH"), "HOME=/", "FAL_KEY=hush", "FALCRED_ON_CHANGE=hush"})
	if !p.Follows() {
		t.Fatal("it is not followed")
	}
	return &p
}

// replace puts another file in the program's place, as an installer does.
func (p *Program) replace(t *testing.T, text string, mode os.FileMode) {
	t.Helper()
	testkit.Must(t, os.WriteFile(p.Path+".new", []byte(text), mode))
	testkit.Must(t, os.Chmod(p.Path+".new", mode))
	testkit.Must(t, os.Rename(p.Path+".new", p.Path))
}

// newer asks in a bubble, where the two seconds take none. meanwhile happens between the looks.
func (p *Program) newer(t *testing.T, meanwhile func()) (version string, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if meanwhile != nil {
			go func() {
				time.Sleep(settled / 2)
				meanwhile()
			}()
		}
		version, err = p.Newer(t.Context())
	})
	return version, err
}

// S9: what is newer is another file, which has settled, and says its version. It is given nothing
// that could be a secret.
func TestNewer_S9(t *testing.T) {
	p := started(t)
	if version, err := p.newer(t, nil); version != "" || err != nil {
		t.Errorf("at the start: %q, %v", version, err)
	}
	p.replace(t, answers, 0o755)
	if version, err := p.newer(t, nil); version != "2.0" || err != nil {
		t.Errorf("after an upgrade: %q, %v", version, err)
	}
	given, err := os.ReadFile(p.Path + ".env")
	if testkit.Must(t, err); strings.Contains(string(given), "hush") || !strings.Contains(string(given), "HOME=/") {
		t.Errorf("it was given %s", given)
	}
	testkit.Must(t, os.Remove(p.Path))
	if version, err := p.newer(t, nil); version != "" || err != nil {
		t.Errorf("while there is none: %q, %v", version, err)
	}
}

// S9: a file that is still being written is not followed, and is once it has settled.
func TestHalfWrittenIsNotFollowed_S9(t *testing.T) {
	p := started(t)
	p.replace(t, answers, 0o755)
	more := func() { testkit.Must(t, os.WriteFile(p.Path, []byte(answers+"# more\n"), 0o755)) }
	if version, err := p.newer(t, more); version != "" || err != nil {
		t.Errorf("while it is written: %q, %v", version, err)
	}
	replaced := func() { p.replace(t, answers+"# more\n", 0o755) }
	if version, err := p.newer(t, replaced); version != "" || err != nil {
		t.Errorf("while it is replaced: %q, %v", version, err)
	}
	if version, err := p.newer(t, nil); version != "2.0" || err != nil {
		t.Errorf("afterwards: %q, %v", version, err)
	}
}

// S9: what does not run is said, and tried once; what was mended is tried anew.
func TestBrokenIsTriedOnce_S9(t *testing.T) {
	for text, says := range map[string]string{
		"echo >>\"$0.tried\"; exit 3":                                                        "exit status 3",
		"echo >>\"$0.tried\"; echo 2.0":                                                      "as falcred does",
		"echo >>\"$0.tried\"; echo '{\"Version\":\"\",\"Protocol\":1}'":                      "as falcred does",
		"echo >>\"$0.tried\"; echo '{\"Version\":\"2.0\"}'":                                  "as falcred does",
		"echo >>\"$0.tried\"; while :; do echo '{\"Version\":\"2.0\"}'; done | head -c 9000": "as falcred does",
		"echo >>\"$0.tried\"; kill -9 $$":                                                    "killed",
	} {
		p := started(t)
		p.replace(t, "#!/bin/sh\n"+text+"\n", 0o755)
		for range 3 {
			if version, err := p.newer(t, nil); version != "" || err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %q, %v", text, version, err)
			}
		}
		if tried, err := os.ReadFile(p.Path + ".tried"); err != nil || len(tried) != 1 {
			t.Errorf("%s: tried %d times, %v", text, len(tried), err)
		}
	}
	p := started(t)
	p.replace(t, answers, 0o644)
	if version, err := p.newer(t, nil); version != "" || err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("not executable: %q, %v", version, err)
	}
	testkit.Must(t, os.Chmod(p.Path, 0o755))
	if version, err := p.newer(t, nil); version != "2.0" || err != nil {
		t.Errorf("executable by now: %q, %v", version, err)
	}
	p.Failed(os.ErrInvalid)
	if version, err := p.newer(t, nil); version != "" || err != os.ErrInvalid {
		t.Errorf("what did not start: %q, %v", version, err)
	}
}

// S9: what others could have put there is not run, and why is said; once they cannot, it is.
func TestOthersProgramIsNotRun_S9(t *testing.T) {
	for name, let := range map[string]func(path string) (undo func() error, err error){
		"the file": func(path string) (func() error, error) {
			return func() error { return os.Chmod(path, 0o755) }, os.Chmod(path, 0o757)
		},
		"the folder": func(path string) (func() error, error) {
			return func() error { return os.Chmod(filepath.Dir(path), 0o755) }, os.Chmod(filepath.Dir(path), 0o777)
		},
		"the folder, with the sticky bit": func(path string) (func() error, error) {
			return func() error { return os.Chmod(filepath.Dir(path), 0o755) }, os.Chmod(filepath.Dir(path), 0o777|os.ModeSticky)
		},
	} {
		p := started(t)
		p.replace(t, answers, 0o755)
		undo, err := let(p.Path)
		testkit.Must(t, err)
		if version, err := p.newer(t, nil); version != "" || strict.As(err) == nil || !strings.Contains(err.Error(), "can be written by others") {
			t.Errorf("%s: %q, %v", name, version, err)
		}
		if _, err := os.Stat(p.Path + ".env"); err == nil {
			t.Errorf("%s: it was run", name)
		}
		testkit.Must(t, undo())
		if version, err := p.newer(t, nil); version != "2.0" || err != nil {
			t.Errorf("%s, mended: %q, %v", name, version, err)
		}
	}
}

// S9: only the path counts that the daemon was started from, and behind a link what it leads to.
func TestStarted_S9(t *testing.T) {
	t.Chdir(filepath.Dir(started(t).Path)) // where there is a falcred
	for _, path := range []string{"falcred", "./falcred", "", filepath.Join(t.TempDir(), "none")} {
		if p := Started([]string{path}, nil); p.Follows() {
			t.Errorf("%q is followed", path)
		}
	}
	p := started(t)
	link := filepath.Join(testkit.ShortDir(t), "falcred")
	testkit.Must(t, os.Symlink(p.Path, link))
	linked := Started([]string{link, "run"}, nil)
	p.replace(t, answers, 0o755)
	if version, err := linked.newer(t, nil); version != "2.0" || err != nil {
		t.Errorf("behind a link: %q, %v", version, err)
	}
}
