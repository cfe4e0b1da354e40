//go:build linux && system

package faults

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
)

// placePrefix is what a refresh leaves beside the token file while it is
// under way (R4).
const placePrefix = ".falcred-spending-"

// places lists what unfinished refreshes have left.
func (s *scene) places() []string {
	var found []string
	for _, name := range s.leftovers() {
		if strings.HasPrefix(name, placePrefix) {
			found = append(found, filepath.Join(s.Home, name))
		}
	}
	return found
}

// sealed says whether an issuer's answer lies in a place: it holds two tokens,
// and not only the zeros that reserve it.
func (s *scene) sealed() bool {
	s.Helper()
	for _, path := range s.places() {
		data, err := os.ReadFile(path)
		if err != nil {
			s.Fatal(err)
		}
		tokens, _, _ := bytes.Cut(data, []byte{0})
		if len(tokens) > 0 {
			return true
		}
	}
	return false
}
