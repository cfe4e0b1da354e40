//go:build linux && system

package faults

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// login writes a login whose access token ran out a moment ago: the daemon has
// to refresh at once. It is renamed into place, so that nobody reads half of it. One
// that is older than what the daemon holds would be taken for an old copy (F5).
func (s *scene) login(refresh string) {
	s.Helper()
	s.write(refresh + "\n" + s.IDP.Mint("ann", time.Now().Add(-time.Minute), 30*time.Second))
}

// expire writes the login that the daemon has, with an access token that has
// run out, and lets it see that.
func (s *scene) expire(refresh string) {
	s.Helper()
	if s.unwatched {
		s.stop()
		defer s.serve()
	}
	s.login(refresh)
}

// dueLogin writes a login whose access token is valid, and past half of its life: the
// daemon refreshes it when it can, and serves it if not (R2, R4). Each is of another
// account: see login.
func (s *scene) dueLogin() (refresh, access string) {
	s.Helper()
	s.dues++
	sub := fmt.Sprintf("ben%d", s.dues)
	refresh, _, _ = s.IDP.Login(sub)
	access = s.IDP.Mint(sub, time.Now().Add(-3*time.Hour), 5*time.Hour)
	s.write(refresh + "\n" + access)
	return refresh, access
}

// write puts the content into the token file: by a rename, or in place as the
// neighbours do.
func (s *scene) write(content string) {
	s.Helper()
	if s.inPlace {
		s.WriteFile(content)
	} else {
		s.Rename(content)
	}
}

// newLogin is `fal auth login` of ann, with an access token that has run out.
func (s *scene) newLogin() (refresh string) {
	s.Helper()
	refresh, _, _ = s.IDP.Login("ann")
	s.login(refresh)
	return refresh
}

// tokens reads the file, which must hold both.
func (s *scene) tokens() (refresh, access string, err error) {
	refresh, access, err = s.Tokens()
	if err == nil && (refresh == "" || access == "" || strings.ContainsAny(refresh+access, "\x00\n ")) {
		err = fmt.Errorf("the token file does not hold two tokens (%d and %d bytes)", len(refresh), len(access))
	}
	if err != nil {
		return "", "", err
	}
	return refresh, access, nil
}

// get asks for a bearer, and asks the issuer whether it is one of its own.
func (s *scene) get() (access string, err error) {
	var got protocol.Credential
	if err := s.Ask("get "+protocol.DefaultServer, &got); err != nil {
		return "", err
	}
	req, err := http.NewRequest(http.MethodGet, s.IDP.URL+"/userinfo", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", got.Authorization())
	resp, err := s.web.Do(req)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the issuer does not know the served token: status %d", resp.StatusCode)
	}
	return string(got.Secret), nil
}

// state is what the daemon says of itself.
func (s *scene) state() protocol.Status {
	s.Helper()
	var status protocol.Status
	if err := s.Ask("status", &status); err != nil {
		s.Fatal("status: ", err)
	}
	return status
}

// alive says what is wrong with the login, nil if nothing.
func (s *scene) alive() error {
	served, err := s.get()
	if err != nil {
		return fmt.Errorf("get: %w", err)
	}
	refresh, access, err := s.tokens()
	switch {
	case err != nil:
		return err
	case !s.IDP.Alive(refresh):
		return errors.New("the token file does not hold the living refresh token")
	case served != access:
		return errors.New("another token is served than the file holds")
	}
	return nil
}

// wantAlive waits for a living login: after a fault it may take a moment.
func (s *scene) wantAlive() {
	s.Helper()
	if err := s.settle(testkit.Patience); err != nil {
		s.Fatalf("the login was lost: %v", err)
	}
}

func (s *scene) settle(d time.Duration) error {
	var err error
	testkit.Within(d, func() bool {
		err = s.alive()
		return err == nil
	})
	return err
}

// wantWell is how every test ends: the login lives, one more refresh
// succeeds, and nothing is left in the home that does not belong there.
func (s *scene) wantWell() {
	s.Helper()
	s.wantAlive()
	before, _, err := s.tokens()
	if err != nil {
		s.Fatal(err)
	}
	s.expire(before)
	s.Eventually("another refresh succeeds", func() bool {
		refresh, _, err := s.tokens()
		return err == nil && refresh != before && s.alive() == nil
	})
	var left []string
	if !testkit.Within(testkit.Patience, func() bool { left = s.leftovers(); return len(left) == 0 }) {
		s.Errorf("left in the home: %v", left)
	}
}

// leftovers lists what does not belong into a home.
func (s *scene) leftovers() []string {
	entries, err := os.ReadDir(s.Home)
	if err != nil {
		return []string{err.Error()}
	}
	var left []string
	for _, entry := range entries {
		switch entry.Name() {
		case env.TokenFile, ".portalock", "falcred.json", "falcred.consumed", "falcred.history", "falcred.sock", "falcred.sock.lock":
		default:
			left = append(left, entry.Name())
		}
	}
	return left
}
