// Echo is the least that a Go server on a Unix socket can do: it answers every
// read that ends a line with the same bytes, without looking at what it was
// asked. It is given the socket and the file with the answer.
//
// "wait" is answered when somebody says "start": to all at once. "until N wait" is
// answered when so many do.
package main

import (
	"fmt"
	"net"
	"os"
	"sync"
)

// room is where those are that wait.
var room = struct {
	sync.Mutex
	come *sync.Cond
	in   int
	gone chan struct{}
}{gone: make(chan struct{})}

func main() {
	room.come = sync.NewCond(&room)
	answer, err := os.ReadFile(os.Args[2])
	if err != nil {
		fail(err)
	}
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		fail(err)
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go talk(c, answer)
	}
}

func talk(c net.Conn, answer []byte) {
	defer c.Close()
	buf := make([]byte, 256)
	for {
		n, err := c.Read(buf)
		if err != nil || buf[n-1] != '\n' {
			return
		}
		switch buf[0] {
		case 'w':
			wait()
		case 'u':
			var many int
			fmt.Sscanf(string(buf[:n]), "until %d", &many)
			until(many)
		case 's':
			start()
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

func wait() {
	room.Lock()
	room.in++
	room.come.Broadcast()
	gone := room.gone
	room.Unlock()
	<-gone
}

func until(many int) {
	room.Lock()
	defer room.Unlock()
	for room.in < many {
		room.come.Wait()
	}
}

func start() {
	room.Lock()
	defer room.Unlock()
	close(room.gone)
	room.in, room.gone = 0, make(chan struct{})
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
