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
	conns := make([][]*conn, len(j.Targets))
	for i, t := range j.Targets {
		for range j.Conns {
			conns[i] = append(conns[i], &conn{target: t, Conn: t.dial(), buf: make([]byte, 16<<10)})
		}
	}
	results := map[string][]result{}
	for range j.Turns {
		for _, i := range rand.Perm(len(j.Targets)) { // #nosec G404 -- an order, no secret
			name := j.Targets[i].Name
			results[name] = append(results[name], j.turn(conns[i]))
		}
	}
	json.NewEncoder(os.Stdout).Encode(results)
}

// turn is one server's.
func (j job) turn(conns []*conn) result {
	took := make([][]time.Duration, len(conns))
	for i := range took {
		took[i] = make([]time.Duration, 0, j.Total/j.Conns)
	}
	var work sync.WaitGroup
	begun := time.Now()
	for i, c := range conns {
		work.Go(func() { took[i] = c.talk(took[i], j.Fresh) })
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

// conn is a connection to a server.
type conn struct {
	target
	net.Conn
	buf []byte
}

// talk asks one request after the other, as many as took has room for.
func (c *conn) talk(took []time.Duration, fresh bool) []time.Duration {
	for range cap(took) {
		begun := time.Now()
		if fresh {
			c.Conn = c.dial()
		}
		if _, err := c.Write(c.Request); err != nil {
			fail(err)
		}
		for n := 0; !c.whole(c.buf[:n]); {
			more, err := c.Read(c.buf[n:])
			if err != nil {
				fail(err)
			}
			n += more
		}
		if fresh {
			c.Close()
		}
		took = append(took, time.Since(begun))
		if !c.Framed && c.buf[2] != 'S' {
			fail(fmt.Errorf("no credential but %.100q", c.buf))
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
