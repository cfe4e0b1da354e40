//go:build system && !race

package login

// rotations is 14 years of a login whose tokens live for a day.
const rotations = 10_000
