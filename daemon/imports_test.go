package daemon

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/falcred/falcred/daemon/testkit"
)

const project = "github.com/falcred/falcred/"

// houseRules says what each of the daemon's packages may import of the others. All of them
// may import protocol, and those of internal/.
var houseRules = map[string]string{
	"daemon":         "server socket login doctor follow tokenfile journal issuer fal events envfile upgrade",
	"daemon/server":  "login socket",
	"daemon/login":   "tokenfile journal issuer fal events",
	"daemon/journal": "tokenfile",
	"daemon/issuer":  "tokenfile", // a TokenPair is what it is asked for, and answers
	"daemon/fal":     "tokenfile", // an access token says who is asking
	"daemon/doctor":  "login issuer journal socket tokenfile fal envfile",
	"daemon/follow":  "socket tokenfile",

	"daemon/tokenfile": "", "daemon/envfile": "", "daemon/events": "", "daemon/socket": "", "daemon/upgrade": "",
	"daemon/internal/task": "", "daemon/internal/clock": "internal/task", "daemon/internal/fsx": "", "daemon/internal/threads": "internal/task",
	"daemon/internal/httpx": "internal/clock internal/fsx",

	// What only tests, and the demo, use.
	"daemon/testkit": "idp", "daemon/testkit/providers": "testkit", "daemon/idp": "", "daemon/attacks": "", "daemon/faults": "", "daemon/bench": "",
	"daemon/environments": "", "daemon/sim/drive": "", "daemon/sim": "sim/drive login issuer journal tokenfile",
}

// A package of the daemon knows those below it, and no other.
func TestTheHouse(t *testing.T) {
	testkit.OnWindows(t, "it asks the sources, which are the same")
	for _, goos := range []string{"linux", "darwin", "windows"} {
		graph := imports(t, goos)
		for pkg, direct := range graph {
			name, ours := strings.CutPrefix(pkg, project)
			if !ours || name != "daemon" && !strings.HasPrefix(name, "daemon/") {
				continue
			}
			allowed, known := houseRules[name]
			if !known {
				t.Errorf("%s has no place in the house", name)
			}
			for _, dep := range direct {
				if dep, ours := strings.CutPrefix(dep, project); ours && !mayImport(name, allowed, dep) {
					t.Errorf("%s: %s imports %s", goos, name, dep)
				}
			}
		}
		for name := range houseRules {
			if goos == "linux" && graph[project+name] == nil { // some are for Linux alone
				t.Errorf("there is no %s", name)
			}
		}
	}
}

func mayImport(name, allowed, dep string) bool {
	internal := strings.HasPrefix(dep, "daemon/internal/")
	switch {
	case name == "daemon/idp": // a stranger, who proves us right or wrong
		return false
	case dep == "protocol", strings.HasPrefix(dep, "protocol/"), internal && !strings.HasPrefix(name, "daemon/internal/"):
		return true
	}
	return slices.Contains(strings.Fields(allowed), strings.TrimPrefix(dep, "daemon/"))
}

// imports are the direct imports of all packages of the project and of all that these
// need, by path.
func imports(t *testing.T, goos string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, project+"...")
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	graph := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		graph[words[0]] = words[1:]
		if len(words) == 1 {
			graph[words[0]] = []string{}
		}
	}
	return graph
}

// links is all that ends up in a program that imports pkg.
func links(graph map[string][]string, pkg string) map[string]bool {
	seen := map[string]bool{}
	var visit func(pkg string)
	visit = func(pkg string) {
		for _, dep := range graph[pkg] {
			if !seen[dep] {
				seen[dep] = true
				visit(dep)
			}
		}
	}
	visit(pkg)
	return seen
}

// The two ends of the socket share the wire, and nothing else; and who stands on the
// standard library alone.
func TestImportRules(t *testing.T) {
	testkit.OnWindows(t, "it asks the sources, which are the same")
	graph := imports(t, "linux")
	in := func(pkg, folder string) bool {
		return pkg == project+folder || strings.HasPrefix(pkg, project+folder+"/")
	}
	checked := 0
	for pkg := range graph {
		if !strings.HasPrefix(pkg, project) {
			continue
		}
		front := in(pkg, "helper") || in(pkg, "cmd/docker-credential-fal")
		services := in(pkg, "packaging/service") // kardianos's work, around a client of the socket
		standard := front && pkg != project+"helper/falhttp" || in(pkg, "protocol") || in(pkg, "packaging") && !services
		for dep := range links(graph, pkg) {
			first, _, _ := strings.Cut(dep, "/")
			switch {
			case in(pkg, "daemon") && (in(dep, "helper") || in(dep, "cmd")),
				front && in(dep, "daemon"),
				in(pkg, "protocol") && strings.HasPrefix(dep, project) && !in(dep, "protocol"),
				in(pkg, "packaging") && strings.HasPrefix(dep, project) && !in(dep, "packaging") && !(services && (in(dep, "protocol") || in(dep, "helper"))),
				in(pkg, "cmd/falcred/internal/ui") && strings.HasPrefix(dep, project) && !in(dep, "protocol"):
				t.Errorf("%s imports %s", pkg, dep)
			case standard && strings.Contains(first, ".") && !strings.HasPrefix(dep, project):
				t.Errorf("%s imports %s: the standard library only", pkg, dep)
			}
		}
		if front || standard {
			checked++
		}
	}
	if checked < 6 {
		t.Errorf("only %d packages were looked at", checked)
	}
	for _, pkg := range []string{"helper", "cmd/docker-credential-fal"} {
		for _, heavy := range []string{"net/http", "crypto/tls"} {
			if links(graph, project+pkg)[heavy] {
				t.Errorf("%s links %s", pkg, heavy)
			}
		}
	}
}

// The tests that attack a daemon, break what is around it, or measure it, know nothing of
// its inside: they are true of any daemon.
func TestOutsidersKnowNoInside(t *testing.T) {
	testkit.OnWindows(t, "it asks the sources, which are the same")
	known := []string{"daemon/idp", "daemon/testkit", "daemon/testkit/providers", "daemon/events"} // what stands in a history is for everybody
	list := []string{"list", "-tags", "system", "-f", `{{.ImportPath}}{{range .TestImports}} {{.}}{{end}}{{range .XTestImports}} {{.}}{{end}}`}
	for _, pkg := range []string{"attacks", "faults", "bench", "environments"} {
		out, err := exec.Command("go", append(list, project+"daemon/"+pkg)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		words := strings.Fields(string(out))
		if len(words) < 3 {
			t.Fatalf("%s: go list found only %v", pkg, words)
		}
		for _, dep := range words[1:] {
			name, ours := strings.CutPrefix(dep, project)
			if ours && !slices.Contains(known, name) && name != "protocol" && !strings.HasPrefix(name, "protocol/") {
				t.Errorf("%s imports %s", pkg, dep)
			}
		}
	}
}

// What the login is made of asks the disk and the clock through protocol/disk and clock, and
// no other way: so they can be replaced by ones that fail, or that take their time, and every
// refresh be tried on them. What stands between, fsx and protocol/strict, asks the system
// only for names, and for what is no file of a home.
func TestDiskAndClockHaveOneDoor(t *testing.T) {
	testkit.OnWindows(t, "it asks the sources, which are the same")
	names := map[string][]string{
		"syscall": {}, "unix": {}, // but for errors and flags
		"os":       {"Getpid", "FileInfo", "FileMode", "PathError", "LinkError", "ErrNotExist", "ErrExist", "ErrPermission", "ErrDeadlineExceeded", "IsPathSeparator"},
		"time":     {"Time", "Duration", "Month", "Location", "Unix", "UnixMilli", "Date", "Parse", "UTC", "RFC3339", "Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour"},
		"filepath": {"Base", "Clean", "Dir", "Ext", "IsAbs", "Join", "Separator", "VolumeName"},
	}
	systems := []string{"io/ioutil", "os/exec", "syscall", "golang.org/x/sys/unix", "golang.org/x/sys/windows"}
	for _, of := range []struct{ files, more string }{
		{"login/*.go", ""}, {"journal/*.go", ""}, {"tokenfile/*.go", ""}, {"issuer/*.go", ""}, {"events/history.go", ""},
		{"../protocol/strict/*.go", "os.Geteuid os.ReadFile filepath.Abs syscall.Stat_t syscall.Umask syscall.Getxattr"}, // /etc and /proc
		{"internal/fsx/*.go", "os.Geteuid os.ReadFile os.File syscall.Stat_t syscall.Errno " + // who holds a lock: /proc
			"unix.FcntlFlock unix.Flock_t unix.F_SETLK unix.F_RDLCK unix.Access unix.W_OK unix.Statfs unix.Statfs_t"}, // how full a disk is
	} {
		files, err := filepath.Glob(of.files)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files: %v", of.files, len(files), err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, imported := range file.Imports {
				name := strings.Trim(imported.Path.Value, `"`)
				if of.more == "" && slices.Contains(systems, name) || names[filepath.Base(name)] != nil && imported.Name != nil {
					t.Errorf("%s imports %s", path, name)
				}
			}
			for _, call := range selectors(file) {
				known, more := names[call[0]], strings.Fields(of.more)
				if known != nil && !slices.Contains(known, call[1]) && !slices.Contains(more, call[0]+"."+call[1]) &&
					!strings.HasPrefix(call[1], "O_") && !(len(known) == 0 && strings.HasPrefix(call[1], "E")) {
					t.Errorf("%s: %s.%s", path, call[0], call[1])
				}
			}
		}
	}
}

// What the login is made of starts goroutines, and waits, by package task, and takes random
// numbers from it: so a simulator says who runs next, and when. What stands between fsnotify
// and us does not: a simulated disk tells of its changes by itself.
func TestSchedulerHasOneDoor(t *testing.T) {
	testkit.OnWindows(t, "it asks the sources, which are the same")
	names := map[string][]string{
		"context": {"Context", "CancelFunc", "Background", "WithCancel", "WithCancelCause", "WithoutCancel", "WithValue", "Cause", "Canceled", "DeadlineExceeded"},
		"sync":    {"Mutex"},
		"rand":    {},
	}
	looked := 0
	for _, pattern := range []string{"login/*.go", "journal/*.go", "tokenfile/*.go", "issuer/*.go", "events/history.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") || path == filepath.Join("tokenfile", "watch.go") {
				continue
			}
			looked++
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, call := range selectors(file) {
				if known := names[call[0]]; known != nil && !slices.Contains(known, call[1]) {
					t.Errorf("%s: %s.%s", path, call[0], call[1])
				}
			}
			for _, at := range waits(file) {
				t.Errorf("%s: a goroutine, or a wait, that package task knows nothing of", set.Position(at))
			}
		}
	}
	if looked < 40 {
		t.Errorf("only %d files were looked at", looked)
	}
}

// waits are the go statements in a file, and what waits for a channel: a select without a
// default, and a receive that is in none.
func waits(file *ast.File) (at []token.Pos) {
	free := map[ast.Node]bool{} // what a select waits for, if it does
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			at = append(at, n.Pos())
		case *ast.SelectStmt:
			blocks := true
			for _, c := range n.Body.List {
				comm := c.(*ast.CommClause).Comm
				if comm == nil {
					blocks = false
					continue
				}
				ast.Inspect(comm, func(n ast.Node) bool { free[n] = true; return true })
			}
			if blocks {
				at = append(at, n.Pos())
			}
		case *ast.UnaryExpr:
			if n.Op == token.ARROW && !free[n] {
				at = append(at, n.Pos())
			}
		}
		return true
	})
	return at
}

// selectors are the a.b in a file where a is a package, or may be one.
func selectors(file *ast.File) (found [][2]string) {
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok && x.Obj == nil {
				found = append(found, [2]string{x.Name, s.Sel.Name})
			}
		}
		return true
	})
	return found
}

// A file of a package can be read with those below it: no more than three need one
// another in a circle.
func TestFilesDoNotNeedEachOther(t *testing.T) {
	testkit.OnWindows(t, "it asks the sources, which are the same")
	out, err := exec.Command("go", "list", "-deps", "-export", "-f", `{{.ImportPath}}={{.Export}}={{.Dir}}={{range .GoFiles}} {{.}}{{end}}`, project+"daemon/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := map[string]string{} // what the compiler has made of each package
	folders, sources := map[string]string{}, map[string][]string{}
	for line := range strings.Lines(string(out)) {
		words := strings.Split(strings.TrimSpace(line), "=")
		exports[words[0]] = words[1]
		if name, ours := strings.CutPrefix(words[0], project); ours && strings.HasPrefix(name, "daemon") && name != "daemon/idp" && name != "daemon/sim" { // tests' and the demo's
			folders[words[0]], sources[words[0]] = words[2], strings.Fields(words[3])
		}
	}
	if len(folders) < 10 {
		t.Fatalf("only %d packages were found", len(folders))
	}
	for pkg, folder := range folders {
		for _, circle := range circles(uses(t, folder, sources[pkg], exports)) {
			if len(circle) > 3 {
				t.Errorf("%s: these need one another: %v", pkg, circle)
			}
		}
	}
}

// uses says which files of a package use what another one declares.
func uses(t *testing.T, folder string, names []string, exports map[string]string) map[string][]string {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(set, filepath.Join(folder, name), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	pkg, err := (&types.Config{Importer: importer.ForCompiler(set, "gc", open)}).Check(folder, set, files, info)
	if err != nil {
		t.Fatal(err)
	}
	graph := map[string][]string{}
	for name, used := range info.Uses {
		from, to := set.Position(name.Pos()).Filename, set.Position(used.Pos()).Filename
		if used.Pkg() == pkg && from != to && !slices.Contains(graph[from], to) {
			graph[from] = append(graph[from], to)
		}
	}
	return graph
}

// login.Manager is no place for everything: what needs nothing of its own is a function, and
// what is about one hold of the lock, or one step of the machine, is theirs.
func TestTheManagerStaysSmall(t *testing.T) {
	testkit.OnWindows(t, "it asks the sources, which are the same")
	files, err := filepath.Glob("login/*.go")
	if err != nil {
		t.Fatal(err)
	}
	methods := 0
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv != nil && types.ExprString(f.Recv.List[0].Type) == "*Manager" && !strings.HasSuffix(path, "_test.go") {
				methods++
			}
		}
	}
	if methods < 10 || methods > 20 {
		t.Errorf("login.Manager has %d methods", methods)
	}
}

// circles are the groups whose members all lead to one another.
func circles(graph map[string][]string) (groups [][]string) {
	reach := map[string]map[string]bool{}
	for file := range graph {
		reach[file] = links(graph, file)
	}
	done := map[string]bool{}
	for file := range graph {
		if done[file] || !reach[file][file] {
			continue
		}
		var group []string
		for other := range reach[file] {
			if reach[other][file] {
				group, done[other] = append(group, filepath.Base(other)), true
			}
		}
		slices.Sort(group)
		groups = append(groups, group)
	}
	return groups
}
