package env

import (
	"fmt"
	"testing"
)

// bigUID needs all of uid_t's bits, and so all of an int's on some machines.
var (
	domainUID uint32 = 3_000_000_000
	bigUID           = int(domainUID)
)

func TestOthersAreAllowedByNumber_S7(t *testing.T) {
	for list, want := range map[string]string{
		"": "[]", "1001": "[1001]", "3000000000": fmt.Sprint([]int{bigUID}), " 1001, 1002 ,": "[1001 1002]", "0": "[0]",
		"ann": "error", "-1": "error", "65534": "error", "4294967295": "error", "1001 1002": "error", "0x10": "error",
	} {
		uids, err := AllowUIDs(func(string) string { return list })
		got := fmt.Sprint(uids)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %s, want %s (%v)", list, got, want, err)
		}
	}
}
