package httpx

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
)

// R7: what stands among the CA files holds no refresh, which has the home's lock.
func TestRootsWaitForNobody_R7(t *testing.T) {
	folder := t.TempDir()
	fifo := filepath.Join(folder, "fifo")
	testkit.Must(t, syscall.Mkfifo(fifo, 0o600))
	testkit.Must(t, os.Symlink("/dev/zero", filepath.Join(folder, "zeros")))
	t.Setenv("SSL_CERT_FILE", fifo)
	t.Setenv("SSL_CERT_DIR", folder)
	read := make(chan *x509.CertPool, 1)
	bad := make(chan string, 1)
	go func() { read <- readRoots(); bad <- BadRoots() }()
	select {
	case roots := <-read:
		if !roots.Equal(x509.NewCertPool()) {
			t.Error("there are roots")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a FIFO, or a device, among them is waited for")
	}
	if text := <-bad; !strings.Contains(text, "is not a regular file") {
		t.Errorf("said is %q", text)
	}
}
