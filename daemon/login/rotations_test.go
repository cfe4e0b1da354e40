//go:build !system || race

package login

// rotations is what [TestConsumedForEver_F5] lets a login live through: more than
// falcred.json lists.
const rotations = listed + 2
