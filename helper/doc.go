// Package helper is the client's end of falcred for Go programs: a [Client]. It imports
// the standard library and package protocol only, and nothing of the standard library
// that makes a program start slowly (net/http, crypto/tls): docker-credential-fal, which
// is package dockercred, stands on it.
package helper
