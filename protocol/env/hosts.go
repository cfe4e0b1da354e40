package env

import (
	"strings"

	"github.com/falcred/falcred/protocol"
)

// hostVariables are those by which fal's SDK and CLI name a host each. The documentation of
// package protocol and §4 of daemon/DESIGN.md have the same list.
var hostVariables = []string{"FAL_RUN_HOST", "FAL_QUEUE_RUN_HOST", "FAL_REST_HOST", "FAL_GRPC_HOST", "FAL_HOST"}

// falHosts are the hosts that fal's own programs speak to by the environment: those that it
// names, and those that they derive from them (fal's flags.py and apps.py, fal_client's
// auth.py, all at c6f0afa). The run host that the CLI makes of its gRPC host is left out:
// it can be another owner's (api.example.ai becomes example.run). What is no https host
// adds none.
func falHosts(getenv func(string) string) (hosts []address) {
	for _, name := range hostVariables {
		if a, ok := parseAddress(getenv(name)); ok && a.scheme == "https" {
			hosts = append(hosts, a)
		}
	}
	run := getenv("FAL_RUN_HOST")
	made := []string{"ws." + run}
	if getenv("FAL_QUEUE_RUN_HOST") == "" {
		made = append(made, "queue."+run)
	}
	for _, host := range made {
		if a, ok := derived(run, host); ok {
			hosts = append(hosts, a)
		}
	}
	if grpc, _ := grpcHost(getenv); getenv("FAL_REST_HOST") == "" {
		if a, ok := derived(grpc, restName(grpc)); ok {
			hosts = append(hosts, a)
		}
	}
	return hosts
}

// derived is a host that is made of the one that is named. Of a name without a dot ("com",
// "localhost"), and of what had to be trimmed, nothing is made: it would be somebody else's,
// or nobody's.
func derived(named, made string) (address, bool) {
	from, ok := parseAddress(named)
	if !ok || !strings.Contains(from.host, ".") || strings.TrimSpace(named) != named {
		return address{}, false
	}
	a, ok := parseAddress(made)
	return a, ok && a.scheme == "https" && !a.isFal() // which is answered for anyhow
}

// grpcHost is the host of which the CLI makes its REST host, and the variable that names it.
func grpcHost(getenv func(string) string) (host, from string) {
	for _, name := range []string{"FAL_GRPC_HOST", "FAL_HOST"} {
		if host := getenv(name); host != "" {
			return host, name
		}
	}
	return "", ""
}

// restName is flags.py's: the first "api" of a name that starts so becomes "rest", to the
// letter. Any other name stays as it is.
func restName(grpc string) string {
	if rest, ok := strings.CutPrefix(grpc, "api"); ok {
		return "rest" + rest
	}
	return grpc
}

// RESTHost is the host that knows the accounts of a login, as the environment names it for
// fal's own programs: FAL_REST_HOST, else made of FAL_GRPC_HOST, else of FAL_HOST. url is
// https, or http on loopback, without a path; from is the variable. Both are "" where none
// names one. An error says which variable is wrong.
func RESTHost(getenv func(string) string) (url, from string, err error) {
	if host := getenv("FAL_REST_HOST"); host != "" {
		url, err = restURL("FAL_REST_HOST", host)
		return url, "FAL_REST_HOST", err
	}
	host, from := grpcHost(getenv)
	if host == "" {
		return "", "", nil
	}
	url, err = RESTOf(from, host)
	return url, from, err
}

// RESTOf is the REST host that fal's CLI makes of its gRPC host, as a URL: the first "api" of
// a host that starts so becomes "rest". from is where it is named, for an error.
func RESTOf(from, grpc string) (url string, err error) {
	made := restName(grpc)
	if named, ok := parseAddress(grpc); made != grpc && !(ok && strings.Contains(named.host, ".")) {
		return "", protocol.Errorf(protocol.CodeBadRequest, "no REST host can be made of %s: it is not a host's name with a dot\nname it by FAL_REST_HOST", from)
	}
	return restURL(from, made)
}

func restURL(from, host string) (string, error) {
	a, ok := parseEntry(strings.TrimSuffix(host, "/"))
	switch {
	case !ok:
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s is not a host", from)
	case a.scheme == "http" && !a.loopback():
		return "", protocol.Errorf(protocol.CodeBadRequest, "%s must be https, or http on loopback", from)
	}
	return a.url(), nil
}
