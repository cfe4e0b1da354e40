// Package helper is the client's end of falcred: a [Client] for Go programs and
// [Run], which is the whole of docker-credential-fal. It imports the standard
// library and package protocol only, and nothing of the standard library that
// makes a program start slowly (net/http, crypto/tls).
package helper
