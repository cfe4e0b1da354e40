package env

import (
	"net/url"
	"slices"
	"strings"
	"testing"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func servers(t testing.TB, pairs ...string) Servers {
	t.Helper()
	s, err := NewServers(env(pairs...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// §4: fal.run, fal.ai and their subdomains over https or wss on the default
// port, or as bare hosts.
var ours = []string{
	"fal.run", "fal.ai", "queue.fal.run", "rest.alpha.fal.ai", "FAL.RUN", "Queue.Fal.Run",
	"fal.run:443", "https://fal.run", "https://fal.run/", "HTTPS://FAL.RUN/x", "wss://fal.run/ws",
	"https://fal.run:443/x", "wss://queue.fal.run:443", "https://fal.run/x?y", "https://fal.run?x=y",
	"https://fal.run#x", "https://fal.run/fal-ai/flux/dev?u=https://example.com/@x",
	"https://fal.run/%2e%2e/", "https://fal.run/é", "  https://fal.run\n", "\thttps://fal.ai ",
	"https://a-b.c1.fal.run", "https://0.fal.run",
}

var lookAlikes = []string{
	"", " ", ".", "/", "https://", "https:///", "https:///fal.run", "https://?fal.run", "https://#fal.run",
	"fal.run.example.com", "https://fal.run.example.com", "https://fal.run.example.com/fal.run",
	"https://fal.run@example.com", "https://fal.run:443@example.com", "https://user@fal.run",
	"https://user:pass@fal.run", "https://@fal.run", "user@fal.run", "https://example.com@fal.run",
	"https://example.com/fal.run", "https://example.com?fal.run", "https://example.com#fal.run",
	"https://example.com/https://fal.run", "https://example.com\\@fal.run", "https://fal.run\\@example.com",
	"https://fal.run\\.example.com", "https:\\\\fal.run", "https:/fal.run", "https:fal.run", "//fal.run",
	"https://notfal.run", "notfal.run", "https://fal-run", "https://xn--fal-.run", "https://falrun",
	"https://fal.runs", "https://fal.run.", "https://fal.run./x", "fal.run.", "https://.fal.run", ".fal.run",
	"https://a..fal.run", "https://fal..run", "https://-a.fal.run", "https://a-.fal.run", "https://a_b.fal.run",
	"https://*.fal.run", "*.fal.run", "https://fal.run:80", "https://fal.run:8443", "https://fal.run:",
	"https://fal.run:0443", "https://fal.run:+443", "https://fal.run:443:443", "https://fal.run:99999",
	"https://fal.run:443x", "fal.run:80", "fal.run:", "fal.run/x", "fal.run?x", "fal.run#x",
	"http://fal.run", "ws://fal.run", "ftp://fal.run", "file://fal.run", "javascript://fal.run",
	"httpss://fal.run", " https ://fal.run", "https://https://fal.run", "https://%66al.run",
	"https://fal%2erun", "https://fal.run%00.example.com", "https://fal.run%2f.example.com", "https://fal.run%20",
	"https://fal.run\x00.example.com", "https://fal.run\n.example.com", "https://fal.run\r\nx", "https://fal.run\t",
	"https://fal.run /x\x00", "https://fal.run .example.com", "https://fal.run/a b", "fal.run example.com",
	"https://fаl.run" /* Cyrillic a */, "https://ｆａｌ.run" /* full width */, "https://fal。run", /* ideographic stop */
	"https://fal.ruп", "https://ﬁal.run", "https://fal․run", /* one dot leader */
	"https://fal.run\u200b", "https://fal\u00ad.run", "https://\u202efal.run", "https://fal.aı", /* dotless i */
	"https://127.0.0.1", "https://2130706433", "https://0x7f.1", "https://127.1", "https://[::1]", "https://[fal.run]",
	"https://[::1%25fal.run]", "https://[::ffff:127.0.0.1]", "[::1].fal.run", "https://fal.run]", "https://fal.run[",
	"https://fal.run,example.com", "https://fal.run;example.com", "https://fal.run&x", "https://fal.run'", "https://fal.run\"",
	"https://localhost", "localhost", "example.com", "https://fal.dev", "https://fal.com", "https://fal.ai.run.example",
	"https://" + strings.Repeat("a", 64) + ".fal.run", "https://" + strings.Repeat("a.", 130) + "fal.run",
}

func TestServersAnswerFalsHosts_Section4(t *testing.T) {
	s := servers(t)
	for _, u := range ours {
		if trimmed := strings.Trim(u, " \t\n"); !s.Match(u) || !s.IsFal(u) || !s.Match(trimmed) {
			t.Errorf("%q is not answered for", u)
		}
	}
}

func TestServersRefuseLookAlikes_Section4(t *testing.T) {
	if len(lookAlikes) < 60 {
		t.Fatal("the table shrank")
	}
	plain := servers(t)
	extended := servers(t, "FAL_RUN_HOST", "run.example.net", "FALCRED_SERVERS", "127.0.0.1:8443,http://127.0.0.1:8080")
	for _, u := range lookAlikes {
		if strings.TrimSpace(u) == "https://fal.run" {
			continue // a trailing tab is trimmed, as docker's helpers do
		}
		if plain.Match(u) || plain.IsFal(u) || extended.Match(u) {
			t.Errorf("%q is answered for", u)
		}
	}
}

func TestServersOfTheEnvironmentAreExact_Section4(t *testing.T) {
	s := servers(t,
		"FAL_RUN_HOST", "run.example.net", "FAL_QUEUE_RUN_HOST", "Queue.Example.Net", "FAL_REST_HOST", "rest.example.net:8443",
		"FAL_HOST", "https://api.example.net",
		"FALCRED_SERVERS", " one.example.com, two.example.com:8443 ,https://three.example.com:9443/,http://127.0.0.1:8080,,http://[::1]:81,https://10.0.0.1,http://localhost:82")
	tests := map[string]bool{
		"run.example.net": true, "https://run.example.net/x": true, "queue.example.net": true,
		"https://rest.example.net:8443/x": true, "wss://rest.example.net:8443": true, "rest.example.net:8443": true,
		"https://rest.example.net": false, "https://api.example.net": true, "x.run.example.net": false,
		"http://run.example.net": false, "https://one.example.com": true, "one.example.com:443": true,
		"https://one.example.com:8443": false, "two.example.com": false, "two.example.com:8443": true,
		"https://two.example.com:8443/x": true, "https://three.example.com:9443/x": true,
		"http://127.0.0.1:8080/x": true, "https://127.0.0.1:8080": false, "127.0.0.1:8080": false,
		"http://127.0.0.1": false, "http://127.0.0.2:8080": false, "http://0x7f.1:8080": false, "http://127.1:8080": false,
		"http://[::1]:81/x": true, "http://[0:0:0:0:0:0:0:1]:81": true, "http://[::1]:82": false, "http://[::ffff:127.0.0.1]:8080": false,
		"https://10.0.0.1/x": true, "http://localhost:82": true, "http://fal.run": false, "https://fal.run": true,
		"http://user@127.0.0.1:8080": false, "http://127.0.0.1:8080@example.com": false,
	}
	for u, want := range tests {
		if got := s.Match(u); got != want {
			t.Errorf("Match(%q) = %t", u, got)
		}
		if s.IsFal(u) != (u == "https://fal.run") {
			t.Errorf("IsFal(%q): erase acts only on fal's hosts", u)
		}
	}
}

func TestServersRefuseAMistakeInFALCRED_SERVERS_Section4(t *testing.T) {
	for _, entry := range []string{
		"http://example.com", "http://10.0.0.1", "http://fal.run", "*.example.com", "example.com/path", "https://example.com/path",
		"https://example.com?x", "https://u@example.com", "ftp://example.com", "a b", "example.com:0", "http://127.1:80", "127.1", "http://127.example.com", "1.2.3.256", "[::1", "[1::2::3]", "https://",
	} {
		if _, err := NewServers(env("FALCRED_SERVERS", "fine.example.com,"+entry)); err == nil {
			t.Errorf("%q is accepted", entry)
		}
	}
}

// R12: what may hold a password is not shown.
func TestServersShowNoPassword_R12(t *testing.T) {
	for _, entry := range []string{"https://ann:hush@example.com", "ann:hush@example.com", "http://hush@example.com", "https://example.com?token=hush", "hush@"} {
		if _, err := NewServers(env("FALCRED_SERVERS", "fine.example.com,"+entry)); err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func TestServersIgnoreForeignVariablesThatAreNoHost_Section4(t *testing.T) {
	s := servers(t, "FAL_HOST", "http://127.0.0.1:80", "FAL_RUN_HOST", "*", "FAL_REST_HOST", "a b", "FAL_QUEUE_RUN_HOST", "x@y")
	if got := s.List(); !slices.Equal(got, []string{"https://fal.run", "https://fal.ai"}) {
		t.Errorf("List() = %q", got)
	}
}

func TestServersListNamesEachOnce_Section4(t *testing.T) {
	s := servers(t, "FAL_RUN_HOST", "fal.run", "FAL_HOST", "x.example.com",
		"FALCRED_SERVERS", "X.example.com:443,https://y.example.com:8443,http://127.0.0.1:8080,http://[::1]:81")
	want := []string{"https://fal.run", "https://fal.ai", "https://x.example.com", "https://y.example.com:8443",
		"http://127.0.0.1:8080", "http://[::1]:81"}
	if got := s.List(); !slices.Equal(got, want) {
		t.Errorf("List() = %q, want %q", got, want)
	}
	for _, u := range s.List() {
		if !s.Match(u) {
			t.Errorf("%q is listed and not answered for", u)
		}
	}
}

// FuzzServersMatch asks net/url for a second opinion: whoever we answer for, an
// HTTP client must go there and nowhere else.
func FuzzServersMatch(f *testing.F) {
	for _, u := range slices.Concat(ours, lookAlikes) {
		f.Add(u)
	}
	s := servers(f)
	f.Fuzz(func(t *testing.T, in string) {
		if !s.Match(in) {
			return
		}
		full := strings.TrimSpace(in)
		if !strings.Contains(full, "://") {
			full = "https://" + full
		}
		// net/url is stricter than an HTTP client about what follows the host.
		if i := strings.IndexAny(full[strings.Index(full, "://")+3:], "/?#"); i >= 0 {
			full = full[:strings.Index(full, "://")+3+i]
		}
		u, err := url.Parse(full)
		if err != nil {
			t.Fatalf("%q matches, and net/url says %v", in, err)
		}
		host := strings.ToLower(u.Hostname())
		if u.User != nil || u.Scheme != "https" && u.Scheme != "wss" || u.Port() != "" && u.Port() != "443" {
			t.Fatalf("%q matches, and net/url sees %#v", in, u)
		}
		if host != "fal.run" && host != "fal.ai" && !strings.HasSuffix(host, ".fal.run") && !strings.HasSuffix(host, ".fal.ai") {
			t.Fatalf("%q matches, and net/url sees the host %q", in, host)
		}
	})
}
