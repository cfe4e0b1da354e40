package demo

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/falcred/falcred/cmd/falcred/internal/ui"
	"github.com/falcred/falcred/daemon/idp"
	"golang.org/x/oauth2"
)

// rival is a program that refreshes for itself, as the SDK does: it reads the
// file, finds the access token expired, refreshes outside of any lock, and
// writes the file.
type rival struct {
	file  string
	oauth *oauth2.Config
}

// sdkMargin is how early the SDK takes a token for expired.
const sdkMargin = 5 * time.Minute

func (r rival) token(ctx context.Context) (string, error) {
	refresh, access := readTokens(r.file)
	if ends := expiry(access); time.Until(ends) > sdkMargin {
		return access, nil
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, directHTTP)
	token, err := r.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return "", err
	}
	return token.AccessToken, writeTokens(r.file, token.RefreshToken, token.AccessToken)
}

// contrast does to a second, throw-away login at an issuer of the same kind
// what programs without falcred do.
func (d *demo) contrast(ctx context.Context) error {
	issuer, err := idp.Start(idp.Config{})
	if err != nil {
		return err
	}
	defer issuer.Close()
	slow := idp.DelayBefore(issuerDelay)
	issuer.SetFault(&slow)
	r := rival{file: filepath.Join(d.path, "second-login"), oauth: oauthConfig(issuer.URL)}
	refresh, _, _ := issuer.Login(idp.DefaultSubject)
	if err := writeTokens(r.file, refresh, ""); err != nil {
		return err
	}
	d.Say("a second login, and %d programs that start together and refresh for themselves", rivals)
	d.alone = result{clients: rivals}
	err = d.During(ui.Still("they refresh"), func() error {
		r.race(ctx, &d.alone)
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	d.Say("%d of %d failed: the issuer saw its refresh token again, and ended the login", d.alone.errors, rivals)
	if err := r.nextDay(ctx, issuer, &d.alone); err != nil {
		d.Say("the next day, with the token run out, one more program finds the login dead")
	}
	refresh, _ = readTokens(r.file)
	d.alone.issuer(issuer.Stats(), issuer.Alive(refresh))
	return nil
}

// race starts them at the same time, as a loop in a shell does.
func (r rival) race(ctx context.Context, to *result) {
	start := make(chan struct{})
	var mu sync.Mutex
	var all sync.WaitGroup
	for range to.clients {
		all.Go(func() {
			<-start
			began := time.Now()
			_, err := r.token(ctx)
			mu.Lock()
			defer mu.Unlock()
			to.add(time.Since(began), err)
		})
	}
	close(start)
	all.Wait()
}

// nextDay is one more program, when the access token that one of them got has
// run out.
func (r rival) nextDay(ctx context.Context, issuer *idp.Server, to *result) error {
	refresh, _ := readTokens(r.file)
	old := issuer.Mint(idp.DefaultSubject, time.Now().Add(-25*time.Hour), 24*time.Hour)
	if err := writeTokens(r.file, refresh, old); err != nil {
		return err
	}
	began := time.Now()
	_, err := r.token(ctx)
	to.add(time.Since(began), err)
	return err
}

func (r *result) add(took time.Duration, err error) {
	r.requests++
	r.latencies = append(r.latencies, took)
	if err != nil {
		r.errors++
	}
}
