package demo

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
	"golang.org/x/oauth2"
)

// directHTTP goes straight to the identity provider: no proxy, no connection
// that outlives the demo.
var directHTTP = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

// oauthConfig is what fal's programs know of their issuer.
func oauthConfig(issuer string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: clientID,
		Scopes:   []string{"openid", "profile", "email", "offline_access"},
		Endpoint: oauth2.Endpoint{
			DeviceAuthURL: issuer + "/oauth/device/code",
			TokenURL:      issuer + "/oauth/token",
			AuthStyle:     oauth2.AuthStyleInParams,
		},
	}
}

// signIn starts the daemon and then logs in, as `fal auth login` does: the
// daemon finds the new login by itself.
func (d *demo) signIn(ctx context.Context) (err error) {
	err = d.During(ui.Still("starting the daemon"), func() error {
		d.daemon, err = startDaemon(ctx, environment(d.path, d.socket, d.issuer.URL), d.socket)
		return err
	})
	if err != nil {
		return err
	}
	d.Say("the daemon runs as process %d", d.daemon.process.Pid)

	ctx = context.WithValue(ctx, oauth2.HTTPClient, directHTTP)
	oauth := oauthConfig(d.issuer.URL)
	device, err := oauth.DeviceAuth(ctx, oauth2.SetAuthURLParam("audience", "fal-cloud"))
	if err != nil {
		return err
	}
	d.Say("open %s and enter %s", device.VerificationURI, d.Bold(device.UserCode))
	var token *oauth2.Token
	err = d.During(ui.Still("waiting for the approval, which this issuer gives by itself"), func() error {
		token, err = oauth.DeviceAccessToken(ctx, device)
		return err
	})
	if err != nil {
		return err
	}
	if err := writeTokens(d.tokenFile(), token.RefreshToken, ""); err != nil {
		return err
	}
	d.Say("signed in; the token file holds the refresh token, as `fal auth login` leaves it")
	if err := d.settled(ctx, token.RefreshToken); err != nil {
		return err
	}
	d.Say("the daemon has noticed, and refreshed for the first time")
	return nil
}

func (d *demo) tokenFile() string { return filepath.Join(d.path, env.TokenFile) }

// settled waits until a refresh of used has come to its end: its successor is
// in the file and alive at the issuer, and its access token is served.
func (d *demo) settled(ctx context.Context, used string) error {
	client := d.client()
	defer client.Close()
	return until(ctx, "the end of a refresh", func() bool {
		refresh, access := readTokens(d.tokenFile())
		if refresh == used || access == "" || !d.issuer.Alive(refresh) {
			return false
		}
		cred, err := client.Get(ctx, protocol.Query{ServerURL: protocol.DefaultServer})
		return err == nil && string(cred.Secret) == access
	})
}

// age lets 13 of an access token's 24 hours go by: it puts one into the file
// that is as old. So every client is served while a refresh is under way, as
// in real life, and nobody waits 12 hours for the next one. The return value
// is the refresh token that is to be used up now.
func (d *demo) age() (string, error) {
	refresh, _ := readTokens(d.tokenFile())
	old := d.issuer.Mint(idp.DefaultSubject, time.Now().Add(-13*time.Hour), 24*time.Hour)
	return refresh, writeTokens(d.tokenFile(), refresh, old)
}

// writeTokens writes as fal's programs do: in place.
func writeTokens(path, refresh, access string) error {
	return os.WriteFile(path, tokenfile.TokenPair{Refresh: refresh, Access: access}.Bytes(), 0o600)
}

// readTokens is "" for what cannot be read.
func readTokens(path string) (refresh, access string) {
	data, _ := os.ReadFile(path)
	p, _ := tokenfile.Parse(data)
	return p.Refresh, p.Access
}

// expiry is when an access token says that it expires, zero where it does not.
func expiry(access string) time.Time {
	return tokenfile.Dated(tokenfile.TokenPair{Access: access}, time.Now()).Expires
}
