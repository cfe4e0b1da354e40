package limits

import (
	"strings"
	"testing"
)

// S6: a machine on which tests run grants what falcred needs, and what it does not is named by
// its limit, with how much is needed and what to do.
func TestThreads_S6(t *testing.T) {
	if p := CheckThreads(1); p != nil {
		t.Errorf("not one thread: %v", p)
	}
	if p := CheckThreads(1 << 30); p != nil && (!strings.Contains(p.Text, "pids.max") && !strings.Contains(p.Text, "ulimit -u") || p.Hint == "") {
		t.Errorf("%+v", p)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{1 << 30: "1 GiB", 600 << 20: "600 MiB", 64 << 10: "64 KiB", 1<<30 + 1<<20: "1025 MiB"} {
		if got := size(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}
