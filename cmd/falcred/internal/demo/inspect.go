package demo

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/falcred/falcred/protocol"
)

// inspector holds every answered credential against its issuer: was it made
// there, and is it unexpired?
type inspector struct {
	userinfo string

	mu    sync.Mutex           // guards known
	known map[string]time.Time // tokens that the issuer has confirmed, and when they end
}

func newInspector(issuer string) *inspector {
	return &inspector{userinfo: issuer + "/userinfo", known: map[string]time.Time{}}
}

func (i *inspector) check(cred protocol.Credential) error {
	if cred.Username != "Bearer" {
		return errors.New("an answer is no bearer token")
	}
	ends, err := i.ends(cred)
	switch {
	case err != nil:
		return err
	case !time.Now().Before(ends):
		return errors.New("an answered token had run out")
	case !cred.Expires.Equal(ends):
		return errors.New("an answer named another expiry than its token")
	}
	return nil
}

// ends asks the issuer once per token; its userinfo endpoint knows only tokens
// of its own that have not run out. The clients wait for each other here,
// outside of what is measured.
func (i *inspector) ends(cred protocol.Credential) (time.Time, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if ends, ok := i.known[string(cred.Secret)]; ok {
		return ends, nil
	}
	req, err := http.NewRequest(http.MethodGet, i.userinfo, nil)
	if err != nil {
		return time.Time{}, err
	}
	req.Header.Set("Authorization", cred.Authorization())
	resp, err := directHTTP.Do(req)
	if err != nil {
		return time.Time{}, errors.New("the issuer could not be asked about a token")
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return time.Time{}, errors.New("the issuer does not know an answered token")
	}
	ends := expiry(string(cred.Secret))
	if ends.IsZero() {
		return ends, errors.New("an answered token does not say when it expires")
	}
	i.known[string(cred.Secret)] = ends
	return ends, nil
}

// tokens is how many different ones were answered.
func (i *inspector) tokens() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.known)
}
