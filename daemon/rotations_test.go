//go:build !system || race

package daemon

// rotations is what [TestConsumedForEver_F5] lets a login live through: more than
// falcred.json lists.
const rotations = savedSpent + 2
