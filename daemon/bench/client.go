//go:build linux

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// client does a job and prints its results.
func client(text string) {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		fail(err)
	}
	lines := make([][]*line, len(j.Targets))
	for i, t := range j.Targets {
		for range j.Conns {
			lines[i] = append(lines[i], &line{target: t, c: t.dial(), buf: make([]byte, 16<<10)})
		}
	}
	results := map[string][]result{}
	for range j.Turns {
		for _, i := range rand.Perm(len(j.Targets)) { // #nosec G404 -- an order, no secret
			name := j.Targets[i].Name
			results[name] = append(results[name], j.turn(lines[i]))
		}
	}
	json.NewEncoder(os.Stdout).Encode(results)
}

// turn is one server's.
func (j job) turn(lines []*line) result {
	took := make([][]time.Duration, len(lines))
	for i := range took {
		took[i] = make([]time.Duration, 0, j.Total/j.Conns)
	}
	var work sync.WaitGroup
	begun := time.Now()
	for i, l := range lines {
		work.Go(func() { took[i] = l.talk(took[i], j.Fresh) })
	}
	work.Wait()
	elapsed := time.Since(begun)
	all := slices.Concat(took...)
	slices.Sort(all)
	return result{
		P50:  micro(all[len(all)/2]),
		P99:  micro(all[len(all)*99/100]),
		Rate: float64(len(all)) / elapsed.Seconds(),
	}
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// line is a connection to a server.
type line struct {
	target
	c   net.Conn
	buf []byte
}

// talk asks one request after the other, as many as took has room for.
func (l *line) talk(took []time.Duration, fresh bool) []time.Duration {
	for range cap(took) {
		begun := time.Now()
		if fresh {
			l.c = l.dial()
		}
		if _, err := l.c.Write(l.Request); err != nil {
			fail(err)
		}
		for n := 0; !l.whole(l.buf[:n]); {
			more, err := l.c.Read(l.buf[n:])
			if err != nil {
				fail(err)
			}
			n += more
		}
		if fresh {
			l.c.Close()
		}
		took = append(took, time.Since(begun))
		if !l.Framed && l.buf[2] != 'S' {
			fail(fmt.Errorf("no credential but %.100q", l.buf))
		}
	}
	return took
}

func (t target) dial() net.Conn {
	c, err := net.Dial("unix", t.Socket)
	if err != nil {
		fail(err)
	}
	return c
}

// whole says whether an answer has come to its end.
func (t target) whole(answer []byte) bool {
	if t.Framed {
		return len(answer) > 4 && len(answer)-4 == int(binary.BigEndian.Uint32(answer))
	}
	return len(answer) > 0 && answer[len(answer)-1] == '\n'
}
