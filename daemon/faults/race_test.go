//go:build linux && race && system

package faults

const raceDetector = true
