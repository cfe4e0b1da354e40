package env

import (
	"slices"
	"strings"

	"github.com/falcred/falcred/protocol"
)

// Servers says who may be given a credential: fal's own hosts, those that this end's
// environment adds, and nobody else. It does not change, and may be used by several
// goroutines.
type Servers struct {
	extra []address // exact: scheme, host and port
}

// falDomains are answered with all their subdomains.
var falDomains = []string{"fal.run", "fal.ai"}

// NewServers reads FALCRED_SERVERS, where a mistake is an error, and the variables of fal's
// own programs (FAL_RUN_HOST, FAL_QUEUE_RUN_HOST, FAL_REST_HOST, FAL_GRPC_HOST, FAL_HOST),
// with the hosts that those programs derive from them: "queue." and "ws." in front of the
// run host, and "rest" for the "api" that the gRPC host starts with. Of these, what is no host
// adds none: they are not ours to complain about, and less is answered, not more.
func NewServers(getenv func(string) string) (Servers, error) {
	var s Servers
	for _, a := range falHosts(getenv) {
		s.add(a)
	}
	for entry := range strings.SplitSeq(getenv("FALCRED_SERVERS"), ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		a, ok := parseEntry(entry)
		if !ok && strings.ContainsAny(entry, "@?") { // a password may stand there (R12)
			return Servers{}, protocol.Errorf(protocol.CodeBadRequest, "FALCRED_SERVERS: not a host, host:port or https URL: none of these has an @ or a ? in it\nleave user, password and query out")
		}
		if !ok {
			return Servers{}, protocol.Errorf(protocol.CodeBadRequest, "FALCRED_SERVERS: not a host, host:port or https URL: %q", entry)
		}
		if a.scheme == "http" && !a.loopback() {
			return Servers{}, protocol.Errorf(protocol.CodeBadRequest, "FALCRED_SERVERS: plain http is allowed for loopback only: %q\nuse https", entry)
		}
		s.add(a)
	}
	return s, nil
}

// Match reports whether serverURL is one to answer for.
func (s Servers) Match(serverURL string) bool {
	a, ok := parseAddress(serverURL)
	return ok && (a.isFal() || slices.Contains(s.extra, a))
}

// IsFal reports whether serverURL is a built-in host of fal's: erase logs out
// only for those.
func (s Servers) IsFal(serverURL string) bool {
	a, ok := parseAddress(serverURL)
	return ok && a.isFal()
}

// List is what the list verb names, as URLs.
func (s Servers) List() []string {
	urls := []string{"https://fal.run", "https://fal.ai"}
	for _, a := range s.extra {
		if u := a.url(); !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}

func (s *Servers) add(a address) {
	if !slices.Contains(s.extra, a) {
		s.extra = append(s.extra, a)
	}
}

func (a address) isFal() bool {
	if a.scheme != "https" || a.port != "443" {
		return false
	}
	for _, domain := range falDomains {
		if a.host == domain || strings.HasSuffix(a.host, "."+domain) {
			return true
		}
	}
	return false
}

// parseEntry refuses a path in FALCRED_SERVERS, lest somebody believe that only
// that path is answered for.
func parseEntry(entry string) (address, bool) {
	if _, rest, ok := strings.Cut(entry, "://"); ok && strings.ContainsAny(strings.TrimSuffix(rest, "/"), "/?#") {
		return address{}, false
	}
	return parseAddress(entry)
}
