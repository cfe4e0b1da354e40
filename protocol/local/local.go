// Package local is the stream connection of the wire, between a client and the daemon of one
// machine: a Unix socket, and on Windows a named pipe whose address is a file at the
// socket's path. [Dial] is the client's end everywhere. The daemon's is net's own on Unix,
// with which the exec'ed helper is not to be linked; on Windows it is here too.
//
// The address file holds one line, `\\.\pipe\NAME`. Nothing else is taken from it: with
// `\\host\pipe\NAME` a client would log in at that host. A pipe has its name at random, is
// private to its user and the system from its first moment, and never met over a network.
//
// Who is at the other end is for package peer to judge, before a byte is sent or read.
package local
