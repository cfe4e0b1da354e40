package main

import (
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/protocol"
)

func TestJudge(t *testing.T) {
	now := time.Now()
	later := now.Add(time.Hour)
	in := &protocol.Status{State: protocol.StateLoggedIn, Source: "login", Expires: later}
	out := &protocol.Status{State: protocol.StateLoggedOut}
	ended := &protocol.Status{State: protocol.StateLoginRequired}
	ending := &protocol.Status{State: protocol.StateLoginRequired, Expires: later}
	offline := &protocol.Status{State: protocol.StateUnavailable, Expires: later}
	key := &protocol.Status{State: protocol.StateKey, Source: "FAL_KEY", Shadows: []string{"login"}, Expires: later}
	lost := &protocol.Status{State: protocol.StateLoggedIn, Expires: later, Team: "acme", Unresolved: true}
	bareKey := &protocol.Status{State: protocol.StateKey, Source: "FAL_KEY"}

	for _, tt := range []struct {
		name    string
		env     string
		daemon  *protocol.Status
		source  string
		usable  bool
		shadows string
	}{
		{"login", "", in, "login", true, ""},
		{"own key over login", "FAL_KEY=k", in, "FAL_KEY", true, "login"},
		{"own key over the pair", "FAL_KEY=k FAL_KEY_ID=i FAL_KEY_SECRET=s", out, "FAL_KEY", true, "FAL_KEY_ID and FAL_KEY_SECRET"},
		{"half a pair is none", "FAL_KEY_ID=i", in, "login", true, ""},
		{"own key over the daemon's", "FAL_KEY=k", key, "FAL_KEY", true, "the daemon's FAL_KEY, login"},
		{"own key, no daemon", "FAL_KEY=k", nil, "FAL_KEY", true, "login"},
		{"forced", "FAL_KEY=k FAL_FORCE_AUTH_BY_USER=1", in, "login", true, "FAL_KEY"},
		{"not forced by true", "FAL_KEY=k FAL_FORCE_AUTH_BY_USER=true", in, "FAL_KEY", true, "login"},
		{"forced, no login", "FAL_KEY=k FAL_FORCE_AUTH_BY_USER=1", out, "", false, "FAL_KEY"},
		{"the daemon's key", "", key, "the daemon's FAL_KEY", true, "login"},
		{"the daemon's key, forced", "FAL_FORCE_AUTH_BY_USER=1", key, "login", true, "the daemon's FAL_KEY"},
		{"the daemon's key alone, forced", "FAL_FORCE_AUTH_BY_USER=1", bareKey, "", false, "the daemon's FAL_KEY"},
		{"ended", "", ended, "login", false, ""},
		{"ended, and the token lives on", "", ending, "login", true, ""},
		{"unavailable", "", offline, "login", false, ""},
		{"team unresolved", "", lost, "login", false, ""},
		{"team unresolved, and another is asked for", "FALCRED_TEAM=beta", lost, "login", true, ""},
		{"team unresolved, and none is asked for", "FALCRED_TEAM=", lost, "login", true, ""},
		{"no daemon", "", nil, "login", true, ""},
		{"no daemon on demand", "FALCRED_AUTOSTART=0", nil, "login", false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			lookup := func(name string) (string, bool) {
				for entry := range strings.FieldsSeq(tt.env) {
					if key, value, _ := strings.Cut(entry, "="); key == name {
						return value, true
					}
				}
				return "", false
			}
			onDisk := tt.daemon == nil || daemonHasLogin(tt.daemon)
			got := judge(lookup, tt.daemon, onDisk, now)
			if got.Source != tt.source || got.Usable != tt.usable || strings.Join(got.Shadows, ", ") != tt.shadows {
				t.Errorf("got %+v", got)
			}
		})
	}
}
