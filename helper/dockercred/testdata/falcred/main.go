// Command falcred stands in for the daemon in the tests of starting on demand:
// it records how it was started and what it was sent, and answers get.
package main

import (
	"encoding/json"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/falcred/falcred/helper/internal/testdaemon"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// Record is what the test reads back.
type Record struct {
	Args, Env []string
	PID, SID  int
	Dir       string
	HUPIgnore bool
	Open      map[string]string // descriptor to what it is
	Console   bool              // it has a window of Windows' console
}

func main() {
	dir := os.Getenv("FALCRED_TEST_DIR")
	time.AfterFunc(time.Minute, func() { os.Exit(2) }) // never outlives the test for long
	record(dir)
	switch os.Getenv("FALCRED_TEST_MODE") {
	case "ends":
		os.Exit(1)
	case "mute":
		select {}
	}
	home, err := env.Home(os.LookupEnv)
	check(err)
	places, err := env.Sockets(os.LookupEnv, home)
	check(err)
	<-time.After(200 * time.Millisecond) // as long as a slow start
	l, err := testdaemon.Listen(places[0].Path)
	check(err)
	check(os.Chmod(places[0].Path, 0o666))
	check(os.WriteFile(filepath.Join(dir, "ready"), nil, 0o600))
	for {
		c, err := l.Accept()
		check(err)
		go serve(c, dir, home)
	}
}

func serve(c net.Conn, dir, home string) {
	in := protocol.NewReader(c)
	for {
		line, err := in.ReadLine()
		if err != nil {
			return
		}
		if line == protocol.VerbStatus {
			answer, err := protocol.AppendAnswer(nil, protocol.Status{Home: home})
			check(err)
			c.Write(answer)
			continue
		}
		check(os.WriteFile(filepath.Join(dir, "asked"), []byte(line), 0o600))
		answer, err := protocol.AppendAnswer(nil, protocol.Credential{
			ServerURL: protocol.DefaultServer, Username: "Bearer", Secret: protocol.Secret("pid-" + strconv.Itoa(os.Getpid())),
		})
		check(err)
		c.Write(answer)
	}
}

func record(dir string) {
	cwd, err := os.Getwd()
	check(err)
	r := Record{Args: os.Args, Env: os.Environ(), PID: os.Getpid(), SID: session(), Dir: cwd,
		HUPIgnore: signal.Ignored(syscall.SIGHUP), Open: map[string]string{}, Console: console()}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		for _, fd := range fds {
			if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
				r.Open[fd.Name()] = target
			}
		}
	}
	out, err := json.Marshal(r)
	check(err)
	name := filepath.Join(dir, "start."+strconv.Itoa(r.PID))
	check(os.WriteFile(name+".tmp", out, 0o600))
	check(os.Rename(name+".tmp", name+".json"))
}

func check(err error) {
	if err != nil {
		os.Exit(3)
	}
}
