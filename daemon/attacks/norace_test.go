//go:build linux && !race

package attacks

const raceDetector = false
