//go:build linux

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// client does a job and prints its result.
func client(text string) {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		fail(err)
	}
	took := make([][]time.Duration, j.Conns)
	conns := make([]net.Conn, j.Conns)
	for i := range conns {
		conns[i] = j.dial()
	}
	var work sync.WaitGroup
	begun := time.Now()
	for i, c := range conns {
		work.Go(func() { took[i] = j.talk(c) })
	}
	work.Wait()
	elapsed := time.Since(begun)
	all := slices.Concat(took...)
	slices.Sort(all)
	json.NewEncoder(os.Stdout).Encode(result{
		P50:  micro(all[len(all)/2]),
		P99:  micro(all[len(all)*99/100]),
		Rate: float64(len(all)) / elapsed.Seconds(),
	})
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// talk asks its share of the requests, one after the other.
func (j job) talk(c net.Conn) []time.Duration {
	took := make([]time.Duration, 0, j.Total/j.Conns)
	buf := make([]byte, 16<<10)
	for range cap(took) {
		begun := time.Now()
		if j.Fresh {
			c = j.dial()
		}
		if _, err := c.Write(j.Request); err != nil {
			fail(err)
		}
		for n := 0; !j.whole(buf[:n]); {
			more, err := c.Read(buf[n:])
			if err != nil {
				fail(err)
			}
			n += more
		}
		if j.Fresh {
			c.Close()
		}
		took = append(took, time.Since(begun))
		if !j.Framed && buf[2] != 'S' {
			fail(fmt.Errorf("no credential but %.100q", buf))
		}
	}
	return took
}

func (j job) dial() net.Conn {
	c, err := net.Dial("unix", j.Socket)
	if err != nil {
		fail(err)
	}
	return c
}

// whole says whether an answer has come to its end.
func (j job) whole(answer []byte) bool {
	if j.Framed {
		return len(answer) > 4 && len(answer)-4 == int(binary.BigEndian.Uint32(answer))
	}
	return len(answer) > 0 && answer[len(answer)-1] == '\n'
}
