package env

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/falcred/falcred/protocol"
)

func lookup(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func skipWindows(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("these paths are not Windows's")
	}
}

func TestHome_Section3(t *testing.T) {
	skipWindows(t)
	for _, tt := range []struct {
		env  []string
		want string // empty: refused
	}{
		{[]string{"HOME", "/h"}, "/h/.fal"},
		{[]string{"HOME", "/h/"}, "/h/.fal"},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "/x/y/"}, "/x/y"},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "~"}, "/h"},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "~/x"}, "/h/x"},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", ""}, ""},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "x"}, ""},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "./x"}, ""},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "~other/x"}, ""},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "/x\ny"}, ""},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "~nobody-of-this-name/x"}, ""},
		{[]string{"HOME", "/h", "FAL_HOME_DIR", "~root"}, "/root"},
		{[]string{"HOME", "h"}, ""},
		{[]string{"HOME", "h", "FAL_HOME_DIR", "~/x"}, ""},
		{[]string{"HOME", "h", "FAL_HOME_DIR", "/x"}, "/x"}, // what is named is enough
		{[]string{"HOME", "", "FAL_HOME_DIR", "/x"}, "/x"},
		{[]string{"HOME", ""}, "/.fal"}, // as Python
		{[]string{"HOME", "/"}, "/.fal"},
	} {
		got, err := Home(lookup(tt.env...))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %q, %v", tt.env, got, err)
		}
	}
}

func TestHomeWithoutHOMEIsTheUserDatabases_Section3(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	if got, err := DefaultHome(lookup()); err != nil || got != filepath.Join(u.HomeDir, ".fal") {
		t.Errorf("%q, %v", got, err)
	}
}

// paths of the sockets. All but the first are shared.
func paths(lookup func(string) (string, bool), home string) (all []string, err error) {
	places, err := Sockets(lookup, home)
	for _, p := range places {
		if p.Shared != (p.Path != filepath.Join(home, socketName) && filepath.Base(p.Path) == socketName) {
			err = errors.Join(err, errors.New(p.Path+": is it shared?"))
		}
		all = append(all, p.Path)
	}
	return all, err
}

func TestSocketsInOrder_Section3(t *testing.T) {
	skipWindows(t)
	for _, tt := range []struct {
		env  []string
		want []string
	}{
		{[]string{"XDG_RUNTIME_DIR", "/run/u"}, []string{"/x/falcred.sock", "/run/u/falcred.sock"}},
		{[]string{"XDG_RUNTIME_DIR", "run"}, []string{"/x/falcred.sock"}},
		{[]string{"XDG_RUNTIME_DIR", ""}, []string{"/x/falcred.sock"}},
		{[]string{"XDG_RUNTIME_DIR", "/run/u", "FALCRED_SOCKET", "/s/./a"}, []string{"/s/a"}},
		{[]string{"HOME", "/h", "FALCRED_SOCKET", "~/a"}, []string{"/h/a"}},
		{[]string{"FALCRED_SOCKET", "a"}, nil},
		{[]string{"XDG_RUNTIME_DIR", "/run/u", "FALCRED_SOCKET", "/" + strings.Repeat("a", 120)}, nil},
		{[]string{"FALCRED_SOCKET", ""}, nil},
		{[]string{"FALCRED_SOCKET", "@abstract"}, nil},
	} {
		got, err := paths(lookup(tt.env...), "/x")
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
			t.Errorf("%q: %q, %v", tt.env, got, err)
		}
	}
}

func TestSocketsWithoutXDGFindSystemdsFolder_Section3(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("systemd's folder is Linux's")
	}
	want := []string{"/x/falcred.sock"}
	dir := "/run/user/" + strconv.Itoa(os.Getuid())
	if _, err := os.Stat(dir); err == nil {
		want = append(want, dir+"/falcred.sock")
	}
	if got, err := paths(lookup(), "/x"); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestSocketPathTooLongIsAClearError_S2(t *testing.T) {
	fits := "/" + strings.Repeat("a", sunPath()-2)
	if err := CheckSocketPath(fits); err != nil {
		t.Error(err)
	}
	err := CheckSocketPath(fits + "a")
	if !errors.Is(err, ErrPathTooLong) || protocol.AsError(err).Code != protocol.CodeBadRequest {
		t.Errorf("%v", err)
	}
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(sunPath()-1)) || !strings.Contains(err.Error(), "\nset FALCRED_SOCKET") {
		t.Errorf("no limit or no hint: %v", err)
	}
}

// §3, S2: a path that no socket can have is no place for one, at either end.
func TestALongHomeLeavesTheSecondPlace_S2(t *testing.T) {
	skipWindows(t)
	long := "/" + strings.Repeat("a", 200)
	if got, err := paths(lookup("XDG_RUNTIME_DIR", "/run/u"), long); err != nil || !slices.Equal(got, []string{"/run/u/falcred.sock"}) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := paths(lookup("XDG_RUNTIME_DIR", long), "/x"); err != nil || !slices.Equal(got, []string{"/x/falcred.sock"}) {
		t.Errorf("%q, %v", got, err)
	}
	for _, run := range []string{"", long} {
		if got, err := Sockets(lookup("XDG_RUNTIME_DIR", run), long); got != nil || !errors.Is(err, ErrPathTooLong) {
			t.Errorf("%v, %v", got, err)
		}
	}
	if path, err := ShareSocket(lookup("FALCRED_SHARE_SOCKET", long)); err != nil || path != long {
		t.Errorf("only who listens there needs it: %q, %v", path, err)
	}
}
