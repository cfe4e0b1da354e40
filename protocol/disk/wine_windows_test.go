package disk_test

import (
	"syscall"
	"testing"
)

// skipInWine is for what wine does not do as Windows does.
func skipInWine(t *testing.T, why string) {
	t.Helper()
	if syscall.NewLazyDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		t.Skip("on Windows: not in wine:", why)
	}
}
