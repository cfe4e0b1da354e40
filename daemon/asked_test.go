package daemon

import (
	"os"
	"testing"

	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/journal"
)

// §3: fal's client, audience and scopes are for fal's issuer. Another has no audience unless
// one is named, here or by its last login; empty is none.
func TestWhatALoginIsAskedForWith_Section3(t *testing.T) {
	const other = "https://id.example.com"
	type vars map[string]string
	for name, c := range map[string]struct {
		issuer string
		home   journal.Ledger
		env    vars
		want   journal.Asked
	}{
		"fal's":                   {"", journal.Ledger{}, nil, journal.Asked{ClientID: issuer.FalClientID, Audience: "fal-cloud", Scopes: issuer.FalScopes}},
		"fal's, with others":      {"", journal.Ledger{}, vars{"FALCRED_CLIENT_ID": "c", "FALCRED_AUDIENCE": "a", "FALCRED_SCOPES": "s"}, journal.Asked{ClientID: "c", Audience: "a", Scopes: "s"}},
		"fal's, with none":        {"", journal.Ledger{}, vars{"FALCRED_CLIENT_ID": "", "FALCRED_AUDIENCE": "", "FALCRED_SCOPES": ""}, journal.Asked{ClientID: issuer.FalClientID}},
		"fal's, remembered":       {"", journal.Ledger{Issuer: issuer.FalIssuer, Asked: journal.Asked{ClientID: "c", Audience: "a", Scopes: "s"}}, nil, journal.Asked{ClientID: issuer.FalClientID, Audience: "fal-cloud", Scopes: issuer.FalScopes}},
		"another":                 {other, journal.Ledger{}, nil, journal.Asked{ClientID: issuer.FalClientID, Scopes: "openid profile email offline_access"}},
		"another's client":        {other, journal.Ledger{}, vars{"FALCRED_CLIENT_ID": "c"}, journal.Asked{ClientID: "c", Scopes: issuer.FalScopes}},
		"another, audience named": {other, journal.Ledger{}, vars{"FALCRED_CLIENT_ID": "c", "FALCRED_AUDIENCE": "a"}, journal.Asked{ClientID: "c", Audience: "a", Scopes: issuer.FalScopes}},
		"another, fal's named":    {other, journal.Ledger{}, vars{"FALCRED_CLIENT_ID": "c", "FALCRED_AUDIENCE": "fal-cloud"}, journal.Asked{ClientID: "c", Audience: "fal-cloud", Scopes: issuer.FalScopes}},
		"another, no scopes":      {other, journal.Ledger{}, vars{"FALCRED_CLIENT_ID": "c", "FALCRED_SCOPES": ""}, journal.Asked{ClientID: "c"}},
		"another, remembered":     {other, journal.Ledger{Issuer: other, Asked: journal.Asked{ClientID: "c", Audience: "a", Scopes: "s"}}, nil, journal.Asked{ClientID: "c", Audience: "a", Scopes: "s"}},
		"remembered as none":      {other, journal.Ledger{Issuer: other + "/", Asked: journal.Asked{ClientID: "c"}}, nil, journal.Asked{ClientID: "c"}},
		"remembered, and named":   {other, journal.Ledger{Issuer: other, Asked: journal.Asked{ClientID: "c", Audience: "a", Scopes: "s"}}, vars{"FALCRED_CLIENT_ID": "d", "FALCRED_AUDIENCE": ""}, journal.Asked{ClientID: "d", Scopes: "s"}},
		"a login's client":        {other, journal.Ledger{Issuer: other, ClientID: "c"}, nil, journal.Asked{ClientID: "c", Scopes: issuer.FalScopes}},
		"a third one's home":      {other, journal.Ledger{Issuer: "https://third.example.com", Asked: journal.Asked{ClientID: "c", Audience: "a"}}, nil, journal.Asked{ClientID: issuer.FalClientID, Scopes: issuer.FalScopes}},
	} {
		t.Run(name, func(t *testing.T) {
			home := inHome(t, "")
			for _, name := range []string{"FALCRED_CLIENT_ID", "FALCRED_AUDIENCE", "FALCRED_SCOPES"} {
				t.Setenv(name, "") // restored when the test ends
				os.Unsetenv(name)
			}
			for name, value := range c.env {
				os.Setenv(name, value)
			}
			os.Setenv("FALCRED_ISSUER", c.issuer)
			if err := c.home.Save(home); err != nil {
				t.Fatal(err)
			}
			cfg, err := Load("test")
			if got := (journal.Asked{ClientID: cfg.ClientID, Audience: cfg.Audience, Scopes: cfg.Scopes}); err != nil || got != c.want {
				t.Errorf("%+v, want %+v: %v", got, c.want, err)
			}
		})
	}
}

// §3: an empty audience of falcred.env is none, too, and what the environment says wins.
func TestNoAudienceByFile_Section3(t *testing.T) {
	inHome(t, "FALCRED_AUDIENCE=\n")
	t.Setenv("FALCRED_AUDIENCE", "")
	os.Unsetenv("FALCRED_AUDIENCE")
	if cfg, err := Load("test"); err != nil || cfg.Audience != "" {
		t.Errorf("%q, %v", cfg.Audience, err)
	}
	os.Setenv("FALCRED_AUDIENCE", "a")
	if cfg, err := Load("test"); err != nil || cfg.Audience != "a" {
		t.Errorf("%q, %v", cfg.Audience, err)
	}
}
