//go:build linux && race && system

package attacks

const raceDetector = true
