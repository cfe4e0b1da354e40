package testkit

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// LongVariable asks for the numbers that the documentation quotes, where it is set.
const LongVariable = "FALCRED_LONG"

// PictureVariable names a file for the picture of a notification, which packaging/README.md shows.
const PictureVariable = "FALCRED_PICTURE"

// Long picks how much is tried.
func Long[T any](short, long T) T {
	if os.Getenv(LongVariable) != "" {
		return long
	}
	return short
}

// Isolate is for a TestMain: what the developer's own environment says of fal and of
// falcred answers no test, and files are made with the usual umask, as a home that its
// group may write is none. It leaves what tests themselves are asked for.
func Isolate() {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		ours := strings.HasPrefix(name, "FAL") || strings.HasPrefix(name, "LISTEN_") || name == "XDG_RUNTIME_DIR"
		if ours && name != LongVariable && name != PictureVariable && name != "FAL_CLIENT_DIR" {
			os.Unsetenv(name)
		}
	}
	os.Setenv("FALCRED_NOTIFY", "0") // his desktop is told nothing
	umask()
}

// SideBySide is for the TestMain of tests that wait more than they work: more of them run
// at once than there are processors.
func SideBySide() {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
}

// RoleVariable says which role a test binary plays.
const RoleVariable = "FALCRED_TEST_ROLE"

// PlayRole is for a TestMain. Where a process matters, the test binary plays one: if it
// was started as a [Role], this ends with it.
func PlayRole(roles map[string]func() error) {
	name := os.Getenv(RoleVariable)
	if name == "" {
		return
	}
	role, ok := roles[name]
	if !ok {
		role = func() error { return fmt.Errorf("no such role: %s", name) }
	}
	if err := role(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Role prepares a process of this test binary that plays a role; env adds to its
// environment.
func Role(name string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), RoleVariable+"="+name), env...)
	return cmd
}

// Programs is for a TestMain: it makes a folder with a short name, where build puts the
// programs of a run, runs the tests, and takes it away. Every user may enter it.
func Programs(m *testing.M, build func(folder string) error) (code int) {
	folder, err := os.MkdirTemp(ShortRoot(), "fb")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	if err := os.Chmod(folder, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := build(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Build is `go build -o out` with these arguments, in a folder. It is without cgo, as the
// packages are, but for the race detector. Where [BuiltVariable] is set nothing is built.
func Build(folder, out string, args ...string) error {
	if built := os.Getenv(BuiltVariable); built != "" {
		return installBuilt(built, folder, out, args)
	}
	build := exec.Command("go", append([]string{"build", "-o", out}, args...)...)
	build.Dir = folder
	if !slices.Contains(args, "-race") {
		build.Env = append(build.Environ(), "CGO_ENABLED=0")
	}
	if text, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, text)
	}
	return nil
}

// Install copies a program over what is there, 32 KiB at a time as dpkg does: a file lies in the page cache
// in pieces as large as it was written in. What a linker leaves starts some 5 % slower; of
// what is written all at once, each touch counts 2 MiB as used memory.
func Install(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	os.Remove(to) // which may be running
	file, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(content, 32<<10) {
		if _, err := file.Write(piece); err != nil {
			file.Close()
			return err
		}
	}
	return file.Close()
}
