package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// ErrConnectSlow and ErrAnswerSlow are the causes ([context.Cause]) with which a caller ends
// a request that takes too long. [Describe] knows them.
var (
	ErrConnectSlow = errors.New("no connection within 4 s")
	ErrAnswerSlow  = errors.New("no answer in time")
)

// Describe says in falcred's own words what went wrong on the network. Errors of net/http
// and x/oauth2 can quote what the peer sent, and so a token: none is ever printed as it
// comes.
func Describe(err error) string {
	var (
		dns      *net.DNSError
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		record   tls.RecordHeaderError
		proxy    ProxyRefusal
		wrong    wrongProxy
		op       *net.OpError
		errno    syscall.Errno
		timeout  interface{ Timeout() bool }
	)
	switch {
	case err == nil:
		return "no error"
	case errors.Is(err, ErrProxySilent):
		return ErrProxySilent.Error()
	case errors.As(err, &op) && op.Op == "proxyconnect":
		return "the proxy cannot be reached: " + Describe(op.Err)
	case errors.Is(err, ErrNoNameserver), errors.As(err, &dns) && dns.IsTimeout:
		return "its host name cannot be resolved: " + ErrNoNameserver.Error()
	case errors.Is(err, ErrConnectSlow), errors.As(err, &op) && op.Op == "dial" && op.Timeout():
		return ErrConnectSlow.Error()
	case errors.Is(err, ErrAnswerSlow):
		return ErrAnswerSlow.Error()
	case errors.As(err, &wrong):
		return wrong.Error()
	case errors.As(err, &proxy):
		return proxy.Error()
	case errors.As(err, &op) && op.Op == "socks connect":
		return "no connection through the proxy: " + Describe(op.Err)
	case errors.As(err, &dns):
		return "its host name cannot be resolved" // which an issuer's discovery, or a proxy's address, may have any text for
	case errors.As(err, &unknown):
		return "its certificate is signed by an unknown authority"
	case errors.As(err, &hostname):
		return "its certificate is for another host"
	case errors.As(err, &invalid), errors.As(err, &verify):
		return "its certificate is not valid"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "it does not speak TLS"
	case errors.As(err, &op) && op.Op == "remote error": // crypto/tls has a text or a number for each alert
		return "it ended the connection with a TLS alert (" + op.Err.Error() + ")"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return ErrAnswerSlow.Error()
	case errors.Is(err, context.Canceled):
		return "it was cancelled"
	case errors.As(err, &errno):
		return errnoText(errno)
	case errors.As(err, &timeout) && timeout.Timeout(): // net/http's own, of a TLS handshake
		return ErrAnswerSlow.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was closed"
	case errors.As(err, &op):
		return "the connection failed (" + op.Op + ")"
	}
	return "the answer was not understood"
}
