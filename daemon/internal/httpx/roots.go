package httpx

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/protocol/strict"
)

// renew is a transport with the roots as they are now, for a request whose connection over
// used has ended with that error: crypto/x509 reads them once in a process's life
// (golang/go#41888), and a company's CA is replaced under a daemon that runs for months. It
// is nil where the roots are not to blame, or are as they were, and for a transport that
// was given roots.
func (t *Transport) renew(used *http.Transport, err error) *http.Transport {
	var refused *tls.CertificateVerificationError
	if !errors.As(err, &refused) || rootsOf(t.Transport) != nil || !rootsAreFiles {
		return nil
	}
	t.renewing.Lock()
	defer t.renewing.Unlock()
	if now := t.current.Load(); now != used {
		return now // another request was faster
	}
	old := rootsOf(used)
	if old == nil {
		old, _ = x509.SystemCertPool()
	}
	fresh := readRoots()
	if fresh.Equal(x509.NewCertPool()) || old != nil && fresh.Equal(old) {
		return nil
	}
	next := used.Clone()
	if next.TLSClientConfig == nil {
		next.TLSClientConfig = &tls.Config{} // #nosec G402 -- Go's own minimum, as without one
	}
	next.TLSClientConfig.RootCAs = fresh
	t.current.Store(next)
	return next
}

func rootsOf(t *http.Transport) *x509.CertPool {
	if t.TLSClientConfig == nil {
		return nil
	}
	return t.TLSClientConfig.RootCAs
}

// rootsAreFiles: on the others the system itself judges certificates.
var rootsAreFiles = runtime.GOOS != "darwin" && runtime.GOOS != "windows"

// Where crypto/x509 looks on Linux: the first of the files, and all of the folders.
var (
	rootFiles = []string{
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
	}
	rootFolders = []string{"/etc/ssl/certs", "/etc/pki/tls/certs"}
)

// readRoots reads what crypto/x509 reads at a process's first use of TLS.
func readRoots() *x509.CertPool {
	roots := x509.NewCertPool()
	files, folders := rootFiles, rootFolders
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		files = []string{file}
	}
	if dirs := os.Getenv("SSL_CERT_DIR"); dirs != "" {
		folders = filepath.SplitList(dirs)
	}
	for _, file := range files {
		if data, err := readRegular(file); err == nil {
			roots.AppendCertsFromPEM(data)
			break
		}
	}
	for _, folder := range folders {
		entries, _ := os.ReadDir(folder)
		for _, entry := range entries {
			if data, err := readRegular(filepath.Join(folder, entry.Name())); err == nil {
				roots.AppendCertsFromPEM(data)
			}
		}
	}
	return roots
}

// maxRoots caps a file of certificates, in bytes; that of all common ones has 250 KiB.
const maxRoots = 16 << 20

// readRegular waits for no FIFO, and reads no device: the lock of the home may be held.
func readRegular(path string) ([]byte, error) {
	file, err := strict.OpenAny(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, maxRoots))
}

// BadRoots says what is wrong with what SSL_CERT_FILE and SSL_CERT_DIR name, "" for
// nothing. crypto/x509 passes over it without a word.
func BadRoots() string {
	file, dirs := os.Getenv("SSL_CERT_FILE"), os.Getenv("SSL_CERT_DIR")
	if file+dirs != "" && !rootsAreFiles {
		return "SSL_CERT_FILE and SSL_CERT_DIR are not used on this system"
	}
	if file != "" {
		switch data, err := readRegular(file); {
		case err != nil:
			text, _ := fsx.Explain(err)
			return "SSL_CERT_FILE cannot be read: " + text
		case !x509.NewCertPool().AppendCertsFromPEM(data):
			return "SSL_CERT_FILE holds no certificate (PEM): " + file
		}
	}
	for _, folder := range filepath.SplitList(dirs) {
		if _, err := os.ReadDir(folder); err != nil {
			return "SSL_CERT_DIR cannot be read: " + err.Error()
		}
	}
	return ""
}
