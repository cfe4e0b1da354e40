package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"

	"github.com/falcred/falcred/daemon/internal/httpx"
)

// examineSettings looks at what the environment says about the way to an issuer, and
// what Go's library passes over without a word.
func examineSettings() (findings []Finding) {
	if name := httpx.DroppedProxy(); name != "" {
		findings = append(findings, Finding{"proxy", Warn, name + " cannot be parsed, and is not used", httpx.ProxyHint})
	}
	if bad := httpx.BadRoots(); bad != "" {
		findings = append(findings, Finding{"CA file", Warn, bad, "name a file of certificates (PEM) that is there and that you can read, in falcred.env, or unset it"})
	}
	return findings
}

// reach has an issuer's host name looked up, in the lookup's own time, and the request
// answered within 10 s after that. The answer's body is closed.
func reach(transport *httpx.Transport, req *http.Request) (*http.Response, error) {
	if err := transport.Find(req.Context(), req.URL.String()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), 2*httpx.SideTimeout)
	defer cancel()
	resp, err := httpx.Client(transport).Do(req.WithContext(ctx))
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}

const resolvConf = "/etc/resolv.conf"

// examineServers names the nameservers that did not answer while somebody else did, else
// all of them: every program here waits for them, at each lookup.
func examineServers(transport *httpx.Transport) (findings []Finding) {
	for _, server := range transport.SilentServers() {
		findings = append(findings, Finding{"nameserver", Warn, "the nameserver " + server + " of " + resolvConf + " does not answer: each lookup waits for it",
			"remove it, where that file comes from: see its first lines; if it should answer, check the network or VPN that it belongs to"})
	}
	return findings
}

// reachHint is what to do about the error of a request that did not reach its issuer, through
// the proxy of via, where that is not "".
func reachHint(err error, via string) string {
	hint := causeHint(err, via)
	if name := httpx.ProxyVariable(); strings.EqualFold(name, "ALL_PROXY") {
		hint = strings.ReplaceAll(hint, "HTTPS_PROXY", name)
	}
	return hint
}

// blameless leaves the question for FALCRED_ISSUER out of a hint where nothing sets that.
func blameless(cfg Config, hint string) string {
	if cfg.Named {
		return hint
	}
	return strings.TrimPrefix(hint, "is FALCRED_ISSUER right? else ")
}

func causeHint(err error, via string) string {
	var (
		invalid  x509.CertificateInvalidError
		hostname x509.HostnameError
		op       *net.OpError
		dns      *net.DNSError
		refusal  httpx.ProxyRefusal
	)
	proxys := errors.As(err, &op) && op.Op == "proxyconnect"
	switch {
	case errors.Is(err, httpx.ProxyRefusal(http.StatusProxyAuthRequired)):
		return "give the proxy the right user and password: " + httpx.ProxyHint
	case errors.As(err, &refusal) && refusal >= 500:
		return "check HTTPS_PROXY and NO_PROXY; if they are right, the proxy cannot reach the issuer: ask who runs it"
	case errors.Is(err, httpx.ErrWrongProxy):
		return httpx.ProxyHint
	case proxys && (errors.As(err, &invalid) || errors.As(err, &hostname)):
		return "check HTTPS_PROXY, and this machine's clock"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "set this machine's clock if it is wrong; else the issuer has to renew its certificate"
	case errors.As(err, &hostname):
		return "is FALCRED_ISSUER right? else something between this machine and the issuer answers in its place"
	case certificate(err) != "":
		return rootsHint()
	case errors.Is(err, httpx.ErrNoNameserver), errors.As(err, &dns) && dns.IsTimeout:
		return "check the network, and the nameservers of " + resolvConf + ": none answers"
	case via != "":
		return "check HTTPS_PROXY and NO_PROXY"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "is FALCRED_ISSUER right? else check the network or VPN that knows this name; behind a proxy, " + httpx.ProxyHint
	}
	return "check the network; behind a proxy, " + httpx.ProxyHint
}

// rootsHint names the variable that falcred goes by, and those that only others know.
func rootsHint() string {
	const company = "if a proxy of your company signs, "
	if runtime.GOOS == "darwin" || runtime.GOOS == "windows" {
		return company + "add its CA to the system's trusted ones"
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		return company + "its CA has to be in the file of SSL_CERT_FILE: " + file
	}
	hint := company + "name its CA file: SSL_CERT_FILE in falcred.env"
	for _, name := range []string{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
		if file := os.Getenv(name); file != "" {
			return hint + ", as " + name + " does for others: " + file
		}
	}
	return hint
}
