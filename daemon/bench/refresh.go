//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/protocol"
)

const due = lifetime / 2 * 11 / 10 // R2: half of its life is over

// duringRefresh measures gets while a token that is still valid is being
// refreshed, at an issuer that takes its time.
func duringRefresh(l *lab) ([]figure, error) {
	daemon, socket, err := l.falcred(true)
	if err != nil {
		return nil, err
	}
	defer l.end(daemon)
	j := job{Targets: []target{{Name: falcred, Socket: socket, Request: getRequest}}, Turns: 1, Conns: 1, Total: l.few(20_000)}
	p99 := func() (float64, error) {
		turns, err := l.measure(j)
		if err != nil {
			return 0, err
		}
		return turns[falcred][0].P99, nil
	}
	slow := func() (float64, error) {
		hold := idp.NewHold()
		l.issuer.Inject(hold.Before())
		defer close(hold.Release)
		if err := l.login(due); err != nil {
			return 0, err
		}
		select {
		case <-hold.Arrived:
		case <-time.After(patience):
			return 0, errNever
		}
		return p99()
	}
	quiet := func() (float64, error) {
		err := until(func() bool { // the refresh of the round before has landed
			var s protocol.Status
			_, err := ask(socket, "status", &s)
			return err == nil && time.Until(s.Expires) > lifetime*9/10
		})
		if err != nil {
			return 0, err
		}
		return p99()
	}
	at, err := inTurns(l.rounds, []side{{"slow", slow}, {"quiet", quiet}})
	return []figure{atMost(figure{What: "a get during a refresh, p99", Value: at["slow"], Unit: "µs", Peer: "falcred at rest", Than: at["quiet"]}, 1.2)}, err
}

// waiters measures how long the last of many has to wait, who all want the token
// that is being refreshed.
func waiters(l *lab) ([]figure, error) {
	daemon, socket, err := l.falcred(false)
	if err != nil {
		return nil, err
	}
	defer l.end(daemon)
	bare, bareSocket, err := l.echo(socket, false)
	if err != nil {
		return nil, err
	}
	defer l.end(bare)
	const many = 9_000 // with both ends here and there, 10,000 descriptors are the usual limit
	at, err := inTurns(min(l.rounds, 5), []side{
		{falcred, func() (float64, error) { return l.releaseRefresh(socket, many) }},
		{echo, func() (float64, error) { return releaseEcho(bareSocket, many) }},
	})
	if err != nil {
		return nil, err
	}
	inside, err := l.waitersInside()
	return append(inside, figure{
		What: fmt.Sprintf("the same through the socket, for %d connections", many), Value: at[falcred], Unit: "ms", Peer: echo, Than: at[echo],
	}), err
}

// waitersInside is BenchmarkWaiters, which has no system calls for each of them.
func (l *lab) waitersInside() ([]figure, error) {
	times := "20x"
	if l.short {
		times = "2x"
	}
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "Waiters", "-benchtime", times, module+"daemon").CombinedOutput() // #nosec G204 -- its arguments are above
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	took := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^BenchmarkWaiters/(\S+?)(?:-\d+)?\s.*\s(\S+) ms/release$`).FindAllStringSubmatch(string(out), -1) {
		if took[m[1]], err = strconv.ParseFloat(m[2], 64); err != nil {
			return nil, err
		}
	}
	if len(took) != 3 {
		return nil, fmt.Errorf("BenchmarkWaiters printed %s", out)
	}
	return []figure{
		atMost(figure{What: "from the issuer's answer until 10,000 who wait have the token", Value: took["refresh/10000"], Unit: "ms"}, 20),
		{What: "until one who waits has it", Value: took["refresh/1"], Unit: "ms", Peer: "10,000 who wait for a Go channel", Than: took["channel/10000"]},
	}, nil
}

// releaseRefresh lets an issuer answer for whom many wait.
func (l *lab) releaseRefresh(socket string, many int) (float64, error) {
	hold := idp.NewHold()
	l.issuer.Inject(hold.Before())
	release := sync.OnceFunc(func() { close(hold.Release) })
	defer release()
	if err := l.login(lifetime + time.Minute); err != nil {
		return 0, err
	}
	select {
	case <-hold.Arrived:
	case <-time.After(patience):
		return 0, errNever
	}
	before, err := gets(socket)
	if err != nil {
		return 0, err
	}
	allWait := func() error {
		return until(func() bool {
			now, err := gets(socket)
			return err == nil && now >= before+many
		})
	}
	return crowd(socket, string(getRequest), many, allWait, release)
}

func gets(socket string) (int, error) {
	var s protocol.Status
	_, err := ask(socket, "status", &s)
	return s.Clients, err
}

func releaseEcho(socket string, many int) (float64, error) {
	tell := func(line string) error {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, line); err != nil {
			return err
		}
		_, err = c.Read(make([]byte, 1))
		return err
	}
	allWait := func() error { return tell(fmt.Sprintf("until %d wait\n", many)) }
	return crowd(socket, "wait\n", many, allWait, func() { tell("start\n") })
}

// crowd asks on many connections, lets go when all are waiting, and measures until
// the last is answered.
func crowd(socket, request string, many int, ready func() error, release func()) (float64, error) {
	conns := make([]net.Conn, many)
	var answered sync.WaitGroup
	for i := range conns {
		err := until(func() (ok bool) {
			var err error
			conns[i], err = net.Dial("unix", socket) // refused while the kernel's queue is full
			return err == nil
		})
		if err != nil {
			return 0, err
		}
		defer conns[i].Close()
		if _, err := io.WriteString(conns[i], request); err != nil {
			return 0, err
		}
	}
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(patience))
		answered.Go(func() { c.Read(make([]byte, 4<<10)) })
	}
	if err := ready(); err != nil {
		return 0, err
	}
	begun := time.Now()
	release()
	answered.Wait()
	return float64(time.Since(begun).Microseconds()) / 1e3, nil
}
