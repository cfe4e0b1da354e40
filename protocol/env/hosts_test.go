package env

import (
	"slices"
	"strings"
	"testing"
)

// §4: an environment gives exactly these hosts beside fal's own: what it names, and what
// today's fal (c6f0afa) derives from that. Everything else stays not found, what looks nearly
// like a derived host too.
func TestDerivedHosts_Section4(t *testing.T) {
	for what, c := range map[string]struct {
		env   string   // NAME=VALUE, one a line
		hosts []string // all that is served beside fal.run and fal.ai
		never []string // some of what is not
	}{
		"nothing": {},
		// fal_client's auth.py: queue.$FAL_RUN_HOST; the CLI's apps.py: ws.$FAL_RUN_HOST.
		"the run host": {"FAL_RUN_HOST=run.example.net", []string{"run.example.net", "ws.run.example.net", "queue.run.example.net"},
			[]string{"example.net", "rest.run.example.net", "x.run.example.net", "queue.example.net", "ws.queue.run.example.net", "queue.run.example.net:8443", "http://queue.run.example.net", "queuerun.example.net", "queue.run.example.net.evil.com"}},
		"the queue's own": {"FAL_RUN_HOST=run.example.net\nFAL_QUEUE_RUN_HOST=q.example.net", []string{"run.example.net", "q.example.net", "ws.run.example.net"},
			[]string{"queue.run.example.net", "ws.q.example.net", "queue.q.example.net"}},
		"the queue's, empty: the CLI's rule": {"FAL_RUN_HOST=run.example.net\nFAL_QUEUE_RUN_HOST=", []string{"run.example.net", "ws.run.example.net", "queue.run.example.net"}, nil},
		"the queue's alone":                  {"FAL_QUEUE_RUN_HOST=q.example.net", []string{"q.example.net"}, []string{"ws.q.example.net", "queue.q.example.net"}},
		"a run host that looks like fal's": {"FAL_RUN_HOST=fal.run.evil.example", []string{"fal.run.evil.example", "ws.fal.run.evil.example", "queue.fal.run.evil.example"},
			[]string{"evil.example", "x.fal.run.evil.example"}},
		"fal's own, by name": {"FAL_RUN_HOST=fal.run", nil, []string{"queue.fal.run.example"}},
		"with a port":        {"FAL_RUN_HOST=run.example.net:8443", []string{"run.example.net:8443", "ws.run.example.net:8443", "queue.run.example.net:8443"}, []string{"queue.run.example.net", "run.example.net"}},
		"in upper case":      {"FAL_RUN_HOST=Run.Example.NET", []string{"run.example.net", "ws.run.example.net", "queue.run.example.net"}, nil},
		"punycode":           {"FAL_RUN_HOST=xn--bcher-kva.example", []string{"xn--bcher-kva.example", "ws.xn--bcher-kva.example", "queue.xn--bcher-kva.example"}, []string{"bücher.example"}},

		// In front of a name without a dot it would be somebody else's, or nobody's.
		"a bare TLD":         {"FAL_RUN_HOST=com", []string{"com"}, []string{"queue.com", "ws.com"}},
		"localhost":          {"FAL_RUN_HOST=localhost:8443", []string{"localhost:8443"}, []string{"queue.localhost:8443", "queue.localhost"}},
		"an IPv4 address":    {"FAL_RUN_HOST=10.0.0.1", []string{"10.0.0.1"}, []string{"queue.10.0.0.1"}},
		"an IPv6 address":    {"FAL_RUN_HOST=[2001:db8::1]", []string{"[2001:db8::1]"}, []string{"queue.[2001:db8::1]"}},
		"with a scheme":      {"FAL_RUN_HOST=https://run.example.net", []string{"run.example.net"}, []string{"queue.run.example.net", "ws.run.example.net", "queue.https"}},
		"in white space":     {"FAL_RUN_HOST= run.example.net ", []string{"run.example.net"}, []string{"queue.run.example.net", "ws.run.example.net"}},
		"before white space": {"FAL_RUN_HOST=run.example.net ", []string{"run.example.net"}, []string{"queue.run.example.net", "ws.run.example.net"}},
		"userinfo":           {"FAL_RUN_HOST=user@run.example.net", nil, []string{"run.example.net", "queue.user@run.example.net", "queue.run.example.net"}},
		"a path":             {"FAL_RUN_HOST=run.example.net/x", nil, []string{"run.example.net", "queue.run.example.net"}},
		"a wildcard":         {"FAL_RUN_HOST=*.example.net", nil, []string{"x.example.net", "queue.example.net", "queue.*.example.net"}},
		"a trailing dot":     {"FAL_RUN_HOST=run.example.net.", nil, []string{"run.example.net", "queue.run.example.net", "queue.run.example.net."}},
		"a leading dot":      {"FAL_RUN_HOST=.example.net", nil, []string{"queue.example.net", "ws.example.net", "example.net"}},
		"a dot":              {"FAL_RUN_HOST=.", nil, []string{"queue", "queue.."}},
		"empty":              {"FAL_RUN_HOST=\nFAL_HOST=\nFAL_GRPC_HOST=", nil, []string{"queue", "ws", "queue.", "rest"}},
		"IDN":                {"FAL_RUN_HOST=bücher.example", nil, []string{"queue.bücher.example", "queue.xn--bcher-kva.example"}},
		"plain http":         {"FAL_RUN_HOST=http://run.example.net\nFAL_HOST=http://127.0.0.1:80", nil, []string{"run.example.net", "http://run.example.net", "http://127.0.0.1"}},
		"several":            {"FAL_RUN_HOST=a.example.net,b.example.net", nil, []string{"a.example.net", "b.example.net", "queue.a.example.net"}},
		"a control":          {"FAL_RUN_HOST=run.example.net\tx", nil, []string{"run.example.net"}},
		"too long a label":   {"FAL_RUN_HOST=" + strings.Repeat("a", 64) + ".example", nil, []string{"queue." + strings.Repeat("a", 64) + ".example"}},
		"too long with something in front": {"FAL_RUN_HOST=" + strings.Repeat("a.", 122) + "example", []string{strings.Repeat("a.", 122) + "example"},
			[]string{"queue." + strings.Repeat("a.", 122) + "example"}},

		// flags.py: GRPC_HOST.replace("api", "rest", 1) if GRPC_HOST.startswith("api") else GRPC_HOST.
		"FAL_GRPC_HOST": {"FAL_GRPC_HOST=api.example.net", []string{"api.example.net", "rest.example.net"},
			[]string{"example.net", "queue.example.net", "ws.example.net", "rest.api.example.net", "x.rest.example.net"}},
		"FAL_HOST":                               {"FAL_HOST=api.example.net", []string{"api.example.net", "rest.example.net"}, nil},
		"FAL_GRPC_HOST comes before FAL_HOST":    {"FAL_GRPC_HOST=api.a.example\nFAL_HOST=api.b.example", []string{"api.a.example", "api.b.example", "rest.a.example"}, []string{"rest.b.example"}},
		"FAL_GRPC_HOST, empty":                   {"FAL_GRPC_HOST=\nFAL_HOST=api.b.example", []string{"api.b.example", "rest.b.example"}, nil},
		"FAL_REST_HOST: nothing is derived":      {"FAL_REST_HOST=r.example\nFAL_GRPC_HOST=api.a.example\nFAL_HOST=api.b.example", []string{"r.example", "api.a.example", "api.b.example"}, []string{"rest.a.example", "rest.b.example"}},
		"only the first api":                     {"FAL_GRPC_HOST=api.api.example.net", []string{"api.api.example.net", "rest.api.example.net"}, []string{"rest.rest.example.net", "api.rest.example.net"}},
		"any name that starts with api":          {"FAL_GRPC_HOST=api-staging.example.net", []string{"api-staging.example.net", "rest-staging.example.net"}, []string{"rest.example.net"}},
		"api elsewhere":                          {"FAL_GRPC_HOST=grpc.api.example.net", []string{"grpc.api.example.net"}, []string{"grpc.rest.example.net", "rest.example.net"}},
		"api in upper case is none":              {"FAL_GRPC_HOST=API.example.net", []string{"api.example.net"}, []string{"rest.example.net"}},
		"api in white space is none":             {"FAL_GRPC_HOST= api.example.net", []string{"api.example.net"}, []string{"rest.example.net"}},
		"api with a port":                        {"FAL_GRPC_HOST=api.example.net:8443", []string{"api.example.net:8443", "rest.example.net:8443"}, []string{"rest.example.net"}},
		"api with a scheme":                      {"FAL_GRPC_HOST=https://api.example.net", []string{"api.example.net"}, []string{"rest.example.net"}},
		"api alone":                              {"FAL_GRPC_HOST=api", []string{"api"}, []string{"rest"}},
		"api of userinfo":                        {"FAL_GRPC_HOST=api@evil.example", nil, []string{"evil.example", "rest@evil.example"}},
		"a gRPC target":                          {"FAL_GRPC_HOST=dns:///api.example.net", nil, []string{"api.example.net", "rest.example.net"}},
		"fal's own, by its gRPC host":            {"FAL_HOST=api.alpha.fal.ai", nil, []string{"rest.alpha.fal.ai.evil.example"}},
		"its run host is not derived":            {"FAL_HOST=api.alpha.example.ai", []string{"api.alpha.example.ai", "rest.alpha.example.ai"}, []string{"example.run", "queue.example.run", "example.ai"}},
		"a profile is a file's, not the shell's": {"FAL_PROFILE=work\nFAL_CONFIG_PATH=/home/ann/config.toml", nil, []string{"work", "rest.work"}},
	} {
		vars := []string{}
		for line := range strings.Lines(c.env) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			vars = append(vars, name, value)
		}
		s := servers(t, vars...)
		want := []string{}
		for _, host := range c.hosts {
			want = append(want, "https://"+host)
		}
		got := slices.DeleteFunc(s.List(), s.IsFal)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: serves %q, want %q", what, got, want)
		}
		for _, u := range s.List() {
			if !s.Match(u) {
				t.Errorf("%s: %q is listed and not answered for", what, u)
			}
		}
		for _, u := range slices.Concat(c.never, lookAlikes) {
			if s.Match(u) && strings.TrimSpace(u) != "https://fal.run" && !slices.Contains(c.hosts, strings.TrimPrefix(u, "https://")) {
				t.Errorf("%s: %q is answered for", what, u)
			}
		}
	}
}

// §2: where accounts are asked for, by flags.py's order and to its letter.
func TestRESTHost_Section2(t *testing.T) {
	for _, c := range []struct{ rest, grpc, host, url, from string }{
		{},
		{rest: "r.example", grpc: "api.a.example", host: "api.b.example", url: "https://r.example", from: "FAL_REST_HOST"},
		{grpc: "api.a.example", host: "api.b.example", url: "https://rest.a.example", from: "FAL_GRPC_HOST"},
		{host: "api.b.example", url: "https://rest.b.example", from: "FAL_HOST"},
		{grpc: "grpc.a.example", url: "https://grpc.a.example", from: "FAL_GRPC_HOST"},
		{grpc: "api.api.example", url: "https://rest.api.example", from: "FAL_GRPC_HOST"},
		{grpc: "apis.a.example:8443", url: "https://rests.a.example:8443", from: "FAL_GRPC_HOST"},
		{grpc: "API.a.example", url: "https://api.a.example", from: "FAL_GRPC_HOST"},
		{rest: "api.r.example", url: "https://api.r.example", from: "FAL_REST_HOST"},
		{rest: "rest.example.com/", url: "https://rest.example.com", from: "FAL_REST_HOST"},
		{rest: "https://rest.example.com", url: "https://rest.example.com", from: "FAL_REST_HOST"},
		{rest: "http://127.0.0.1:9", url: "http://127.0.0.1:9", from: "FAL_REST_HOST"},
		{rest: "http://[::1]:9", url: "http://[::1]:9", from: "FAL_REST_HOST"},
		{rest: "http://rest.example.com", url: "error", from: "FAL_REST_HOST"},
		{rest: "u:p@rest.example.com", url: "error", from: "FAL_REST_HOST"},
		{rest: "rest.example.com/path", url: "error", from: "FAL_REST_HOST"},
		{rest: "rest.example.com?x", url: "error", from: "FAL_REST_HOST"},
		{rest: "a b", url: "error", from: "FAL_REST_HOST"},
		{rest: "ftp://rest.example.com", url: "error", from: "FAL_REST_HOST"},
		{grpc: "api", url: "error", from: "FAL_GRPC_HOST"},
		{host: "api@evil.example", url: "error", from: "FAL_HOST"},
		{host: "http://10.0.0.1", url: "error", from: "FAL_HOST"},
	} {
		url, from, err := RESTHost(env("FAL_REST_HOST", c.rest, "FAL_GRPC_HOST", c.grpc, "FAL_HOST", c.host))
		if err != nil {
			if !strings.Contains(err.Error(), c.from) || strings.Contains(err.Error(), "u:p") {
				t.Errorf("%+v: %v", c, err)
			}
			url = "error"
		}
		if url != c.url || from != c.from {
			t.Errorf("%+v: %q, %q", c, url, from)
		}
	}
}
