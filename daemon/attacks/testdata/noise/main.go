// Noise writes 1 MB/s of garbage on each of N connections, and comes back when it
// is thrown out, until its standard input ends. It prints a line when a MiB for
// each of them has been written.
package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

func main() {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var hurled atomic.Int64
	for range n {
		go hurl(os.Args[1], func(written int) {
			if before := hurled.Add(int64(written)) - int64(written); before < int64(n)<<20 && before+int64(written) >= int64(n)<<20 {
				fmt.Println("enough")
			}
		})
	}
	io.Copy(io.Discard, os.Stdin)
}

func hurl(socket string, wrote func(int)) {
	noise := make([]byte, 10<<10)
	rand.Read(noise)
	tick := time.NewTicker(10 * time.Millisecond)
	for {
		c, err := net.Dial("unix", socket)
		for err == nil {
			<-tick.C
			c.SetWriteDeadline(time.Now().Add(time.Second))
			var written int
			written, err = c.Write(noise)
			wrote(written)
		}
		if c != nil {
			c.Close()
		} else {
			<-tick.C
		}
	}
}
