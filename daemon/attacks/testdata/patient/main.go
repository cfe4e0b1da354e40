// Patient is a well-behaved client in a process of its own: it asks N times on
// one connection and prints its 99th percentile in nanoseconds.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	n, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fail(err)
	}
	c, err := net.Dial("unix", os.Args[1])
	if err != nil {
		fail(err)
	}
	in := bufio.NewReader(c)
	took := make([]time.Duration, n)
	for i := range took {
		begun := time.Now()
		if _, err := c.Write([]byte("get https://fal.run\n")); err != nil {
			fail(err)
		}
		line, err := in.ReadString('\n')
		if err != nil {
			fail(err)
		}
		if !strings.HasPrefix(line, `{"ServerURL"`) {
			fail(errors.New("no credential"))
		}
		took[i] = time.Since(begun)
		// A client has something to do between two requests: else it were a flood too.
		time.Sleep(100 * time.Microsecond)
	}
	slices.Sort(took)
	fmt.Println(int64(took[n*99/100]))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
