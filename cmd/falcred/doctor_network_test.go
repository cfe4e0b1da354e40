package main

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/falcred/falcred/daemon"
	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/daemon/login"
)

// §3: what the daemon met at its last try and what this shell meets now is one finding, and
// what the shell has and falcred.env has not is named, by its name alone.
func TestExamineWay_Section3(t *testing.T) {
	cfg := daemon.Config{Config: login.Config{Home: "/home/ann/.fal"}}
	put := "put it into " + filepath.FromSlash("/home/ann/.fal/falcred.env") + ofPrivate
	answers := doctor.Finding{Check: "issuer", Result: doctor.OK, Text: "it answers"}
	dead := doctor.Finding{Check: "issuer", Result: doctor.Fail, Text: "it cannot be reached", Hint: "mend it"}
	met := doctor.Finding{Check: "login", Result: doctor.Fail, Text: "the issuer cannot be reached: no TLS", Hint: "wait"}
	refused := doctor.Finding{Check: "refresh", Result: doctor.Fail, Text: "a gateway answers", Hint: "sign in"}
	gateway := doctor.Finding{Check: "login", Result: doctor.Warn, Text: "something between this machine and the issuer answers: status 403, text/html"}
	same := refused
	same.Text += " (the daemon met the same at its last try)"
	ended := doctor.Finding{Check: "login", Result: doctor.Fail, Text: "the login has ended", Hint: "log in"}
	away := met
	away.Text = "at its last try the daemon met this: " + met.Text + "; from here the issuer answers"
	own, lacks, both := away, away, dead
	own.Hint = "nothing to do: the daemon tries again within a minute"
	lacks.Hint = "this shell has HTTPS_PROXY, and the daemon may not: " + put + ", then: falcred restart"
	both.Text += " (the daemon met the same at its last try)"
	missing := doctor.Finding{Check: "settings", Result: doctor.Warn, Hint: put,
		Text: "HTTPS_PROXY is set here and not in falcred.env: a daemon that docker-credential-fal or a service manager starts does not get it"}
	for name, c := range map[string]struct {
		found   []doctor.Finding
		proxy   bool // the shell has one
		file    map[string]string
		stopped bool
		want    []doctor.Finding
	}{
		"all is well":                        {found: []doctor.Finding{answers}, proxy: true, want: []doctor.Finding{answers}},
		"something else of the daemon's":     {found: []doctor.Finding{answers, ended}, want: []doctor.Finding{answers, ended}},
		"the daemon's last try":              {found: []doctor.Finding{answers, met}, want: []doctor.Finding{answers, own}},
		"the shell's proxy":                  {found: []doctor.Finding{answers, met}, proxy: true, want: []doctor.Finding{answers, lacks}},
		"the shell's proxy, the file's too":  {found: []doctor.Finding{answers, met}, proxy: true, file: map[string]string{"A": "b", "HTTPS_PROXY": "x"}, want: []doctor.Finding{answers, own}},
		"both":                               {found: []doctor.Finding{dead, met}, want: []doctor.Finding{both}},
		"a gateway":                          {found: []doctor.Finding{answers, refused, gateway}, want: []doctor.Finding{answers, same}},
		"no daemon yet":                      {found: []doctor.Finding{answers}, proxy: true, stopped: true, want: []doctor.Finding{answers, missing}},
		"no daemon yet, and the file has it": {found: []doctor.Finding{answers}, proxy: true, file: map[string]string{"HTTPS_PROXY": "x"}, stopped: true, want: []doctor.Finding{answers}},
		"no issuer was asked":                {found: []doctor.Finding{met}, want: []doctor.Finding{met}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.EnvFile = c.file
			shell := func(name string) string {
				if name == "HTTPS_PROXY" && c.proxy {
					return "http://u:a-secret@proxy"
				}
				return ""
			}
			if got := examineWay(slices.Clone(c.found), shell, cfg, !c.stopped); !slices.Equal(got, c.want) {
				t.Errorf("%+v\nwant\n%+v", got, c.want)
			}
		})
	}
}
