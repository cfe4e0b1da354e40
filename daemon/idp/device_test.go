package idp_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/falcred/falcred/daemon/idp"
)

func deviceConfig() *oauth2.Config {
	return &oauth2.Config{
		ClientID: "test-client",
		Endpoint: oauth2.Endpoint{
			DeviceAuthURL: "http://issuer.test/oauth/device/code",
			TokenURL:      "http://issuer.test/oauth/token",
			AuthStyle:     oauth2.AuthStyleInParams,
		},
		Scopes: []string{"openid", "profile", "email", "offline_access"},
	}
}

func TestDeviceFlow(t *testing.T) {
	bubble(t, idp.Config{}, func(t *testing.T, p *idp.Provider, client *http.Client) {
		ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
		cfg := deviceConfig()
		auth, err := cfg.DeviceAuth(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if auth.Interval != 5 || !strings.HasSuffix(auth.VerificationURIComplete, "/activate?user_code="+auth.UserCode) {
			t.Errorf("device authorization %+v", auth)
		}
		time.AfterFunc(12*time.Second, func() {
			if err := p.Approve(strings.ToLower(auth.UserCode), "auth0|a"); err != nil {
				t.Error(err)
			}
		})
		began := time.Now()
		token, err := cfg.DeviceAccessToken(ctx, auth)
		if err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(began); waited != 15*time.Second {
			t.Errorf("logged in after %v", waited)
		}
		if !p.Alive(token.RefreshToken) || token.Extra("id_token") == nil {
			t.Error("the login lacks tokens")
		}
		want := idp.Stats{TokenRequests: 3, DeviceLogins: 1}
		if got := p.Stats(); got != want {
			t.Errorf("stats %+v, want %+v", got, want)
		}
		if _, err := cfg.DeviceAccessToken(ctx, auth); err == nil || !strings.Contains(err.Error(), "invalid_grant") {
			t.Errorf("the code worked twice: %v", err)
		}
	})
}

func TestDeviceFlowRefused(t *testing.T) {
	for code, act := range map[string]func(p *idp.Provider, userCode string) error{
		"access_denied": func(p *idp.Provider, userCode string) error { return p.Deny(userCode) },
		"expired_token": func(*idp.Provider, string) error { time.Sleep(15 * time.Minute); return nil },
	} {
		t.Run(code, func(t *testing.T) {
			bubble(t, idp.Config{}, func(t *testing.T, p *idp.Provider, client *http.Client) {
				ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
				cfg := deviceConfig()
				auth, err := cfg.DeviceAuth(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if err := act(p, auth.UserCode); err != nil {
					t.Fatal(err)
				}
				auth.Expiry = time.Time{} // else the library gives up by itself
				if _, err := cfg.DeviceAccessToken(ctx, auth); err == nil || !strings.Contains(err.Error(), code) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestSlowDown(t *testing.T) {
	s := start(t, idp.Config{})
	_, m := post(t, s.URL+"/oauth/device/code", url.Values{"client_id": {"test-client"}})
	form := url.Values{"client_id": {"test-client"}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {m["device_code"].(string)}}
	for _, want := range []string{"authorization_pending", "slow_down"} {
		if _, got := post(t, s.URL+"/oauth/token", form); got["error"] != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
}

func TestAutoApproveAndScopes(t *testing.T) {
	s := start(t, idp.Config{AutoApprove: true, Interval: time.Second})
	_, m := post(t, s.URL+"/oauth/device/code", url.Values{"client_id": {"test-client"}, "scope": {"openid"}})
	form := url.Values{"client_id": {"test-client"}, "grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {m["device_code"].(string)}}
	status, got := post(t, s.URL+"/oauth/token", form)
	if status != http.StatusOK || got["id_token"] == nil || got["access_token"] == nil {
		t.Errorf("%d %v", status, got)
	}
	if got["refresh_token"] != nil {
		t.Error("a refresh token without offline_access")
	}
}

func TestActivatePage(t *testing.T) {
	s := start(t, idp.Config{})
	_, m := post(t, s.URL+"/oauth/device/code", url.Values{"client_id": {"test-client"}})
	page, err := http.Get(m["verification_uri_complete"].(string))
	if err != nil {
		t.Fatal(err)
	}
	page.Body.Close()
	code := m["user_code"].(string)
	for _, tc := range []struct {
		code string
		want int
	}{{code, http.StatusOK}, {"<script>", http.StatusNotFound}} {
		resp, err := http.PostForm(m["verification_uri"].(string), url.Values{"user_code": {tc.code}, "decision": {"approve"}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.want {
			t.Errorf("%s: %s", tc.code, resp.Status)
		}
	}
}
