//go:build !system

package login

// oneIn is what `go test ./...` runs of everything that is repeated: one round in
// ten shows a mistake of most kinds within a minute.
const oneIn = 10
