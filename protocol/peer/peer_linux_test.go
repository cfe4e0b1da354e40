package peer

import "testing"

// S7: whether the overflow uid is one user is seen in /proc/self/uid_map.
func TestMapsEveryUser_S7(t *testing.T) {
	for text, want := range map[string]bool{
		"         0          0 4294967295\n":                  true, // the machine's own namespace
		"0 0 65534\n65534 100000 1\n65535 65535 4294901760\n": true, // a permutation has nobody left
		"0 0 4294967294\n":                                    false,
		"0 1000 1\n1 100000 65536\n":                          false, // rootless podman
		"65534 1000 1\n":                                      false, // unshare --map-user=65534
		"0 1000 1\n":                                          false,
		"":                                                    false, // unshare -U
		"0 0\n":                                               false,
		"0 0 many\n":                                          false,
		"0 0 -1\n":                                            false,
		"0 0 99999999999\n":                                   false,
	} {
		if got := mapsEveryUser(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
