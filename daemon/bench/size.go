//go:build linux

package main

import (
	"os"
	"path/filepath"
)

// sizes are those of the programs as the packages have them: without CGO, stripped.
func sizes(l *lab) (figures []figure, err error) {
	for _, program := range []struct {
		name   string
		target float64
	}{{"docker-credential-fal", 2.2}, {"falcred", 10}} {
		info, err := os.Stat(filepath.Join(l.dir, program.name))
		if err != nil {
			return nil, err
		}
		figures = append(figures, atMost(figure{What: "size of " + program.name, Value: float64(info.Size()) / 1e6, Unit: "MB"}, program.target))
	}
	return figures, nil
}
