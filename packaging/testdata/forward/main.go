// Forward listens on a TCP address and hands each connection on to a Unix
// socket: forward 127.0.0.1:443 /srv/issuer. In a container without a network
// it stands for the issuer, which lives in the test outside.
package main

import (
	"io"
	"log"
	"net"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go hand(c, os.Args[2])
	}
}

func hand(c net.Conn, socket string) {
	defer c.Close()
	other, err := net.Dial("unix", socket)
	if err != nil {
		log.Print(err)
		return
	}
	defer other.Close()
	go func() {
		io.Copy(other, c)
		other.(*net.UnixConn).CloseWrite()
	}()
	io.Copy(c, other)
}
