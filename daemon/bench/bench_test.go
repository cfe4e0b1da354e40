//go:build linux

package bench

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/testkit"
)

const getRequest = "get https://fal.run\n"

// BenchmarkGet asks for credentials over the socket: on connections that stay, and on a
// new one each time. Servers and client share one core.
func BenchmarkGet(b *testing.B) {
	l := newLab(b)
	l.pin()
	falcred := l.falcred()
	echo, agent := l.echo(falcred), l.sshAgent()

	b.Run("conns=1", func(b *testing.B) {
		compare(b, "µs/get", falcred.stay(b, 1), side{"echo", echo.stay(b, 1), 1.25}, side{"ssh-agent", agent.stay(b, 1), 0.9})
	})
	b.Run("conns=64", func(b *testing.B) { // throughput: at least 0.9 and 1.5 times theirs
		compare(b, "µs/get", falcred.stay(b, 64), side{"echo", echo.stay(b, 64), 1 / 0.9}, side{"ssh-agent", agent.stay(b, 64), 1 / 1.5})
	})
	b.Run("conns=1000", func(b *testing.B) { // more than ssh-agent's queue holds
		compare(b, "µs/get", falcred.stay(b, 1000), side{"echo", echo.stay(b, 1000), 1 / 0.9})
	})
	b.Run("new", func(b *testing.B) {
		compare(b, "µs/get", falcred.come(b), side{"echo", echo.come(b), 1.15})
	})
}

// BenchmarkExec runs docker-credential-fal, from before the fork to after the exit. They
// run where the scheduler puts them, as a shell's do.
func BenchmarkExec(b *testing.B) {
	b.Run("get", func(b *testing.B) {
		l := newLab(b)
		l.falcred()
		// How a copy of a program lies in the page cache is worth up to a tenth of its start.
		anew := func(program string, args ...string) func() float64 {
			return func() float64 {
				path := filepath.Join(bin, program)
				testkit.Must(b, testkit.Install(path+linked, path))
				return medianOf(5, func() float64 { return l.exec(program, args...) })
			}
		}
		compare(b, "µs/get", anew("docker-credential-fal", "get"), side{"empty", anew("empty"), 1.5})
	})
	b.Run("start", func(b *testing.B) { // where no daemon runs yet
		l := newLab(b)
		l.env = append(l.env, "FALCRED_AUTOSTART=1")
		get := func() float64 { return l.exec("docker-credential-fal", "get") }
		get()
		b.Cleanup(l.stopStarted)
		compare(b, "µs/get", func() float64 {
			l.stopStarted()
			return get()
		}, side{"get", func() float64 { return medianOf(5, get) }, 6})
	})
}

// BenchmarkWaiters lets an issuer answer for whom many wait, and measures until the last
// of them has the new token. The target is for what falcred adds to the writes and reads of
// so many, which an echo has too: a refresh, and the token's way to the disk.
func BenchmarkWaiters(b *testing.B) {
	const many = 10_000
	l := newLab(b)
	falcred := l.falcred()
	echo := l.echo(falcred)
	waiting := server{socket: echo.socket, request: "wait\n"}
	took := compare(b, "ms/release", func() float64 {
		hold := idp.NewHold()
		l.issuer.Inject(hold.Before())
		release := sync.OnceFunc(func() { close(hold.Release) })
		defer release()
		l.login(lifetime + time.Minute)
		select {
		case <-hold.Arrived:
		case <-time.After(testkit.Patience):
			b.Fatal("no refresh came")
		}
		before := l.status().Clients
		allWait := func() {
			l.until(func() bool { return l.status().Clients >= before+many })
		}
		return l.crowd(falcred, many, allWait, release)
	}, side{"echo", func() float64 {
		allWait := func() { l.ask(echo.socket, "until "+strconv.Itoa(many)+" wait\n") }
		return l.crowd(waiting, many, allWait, func() { l.ask(echo.socket, "start\n") })
	}, 0})
	atMost(b, "ms-over-echo", took[0]-took[1], 50)
}

// BenchmarkRest watches a daemon that has lived and has nothing to do, for five seconds in
// each round.
func BenchmarkRest(b *testing.B) {
	const refreshes, crowd, watch = 10, 1000, 5 * time.Second
	l := newLab(b)
	falcred := l.falcred()
	for range refreshes {
		due := l.login(lifetime * 11 / 20) // R2: half of its life is over
		l.until(func() bool { return l.held() != "" && l.held() != due })
	}
	pid := l.status().PID
	time.Sleep(time.Second) // what it does after the last one
	rounds, woken := 0, 0
	for b.Loop() {
		woken += l.wakeUps(pid, watch)
		rounds++
	}
	atMost(b, "wakes/min", float64(woken)/(time.Duration(rounds)*watch).Minutes(), 2)
	rest := l.memory(pid)
	atMost(b, "MiB", rest/1024, 5)

	falcred.stay(b, crowd)()
	atMost(b, "KiB/conn", (l.memory(pid)-rest)/crowd, 12)
}

// BenchmarkSize is that of an answer, and of the programs as the packages have them.
func BenchmarkSize(b *testing.B) {
	l := newLab(b)
	falcred, answer := l.falcred(), ""
	for b.Loop() {
		answer = l.ask(falcred.socket, getRequest)
	}
	b.ReportMetric(float64(len(answer)), "B/answer")
	for _, program := range []struct {
		name string
		most float64
	}{{"falcred", 10}, {"docker-credential-fal", 2.2}} {
		info, err := os.Stat(filepath.Join(bin, program.name))
		if err != nil {
			b.Fatal(err)
		}
		atMost(b, "MB-"+program.name, float64(info.Size())/1e6, program.most)
	}
}
