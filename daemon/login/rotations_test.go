//go:build !system || race

package login

// rotations is what [TestConsumedForEver_F5] lets a login live through: more than
// falcred.json lists.
const rotations = 64 + 2 // journal keeps 64 there
