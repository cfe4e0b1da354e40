// Package falhttp authenticates requests of net/http and x/oauth2 to fal with
// falcred's credential. It stands apart from package helper, whose imports stay
// as light as docker-credential-fal.
package falhttp

import (
	"errors"
	"io"
	"net/http"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
)

// Transport adds the Authorization header, and a team's, to requests for servers
// that Client answers for ([helper.Client.Serves]). Others pass as they are: a redirect to a
// storage host carries nothing of ours. A request that brings an Authorization of
// its own keeps it.
//
// A request that cannot be authenticated is not sent; the error is Client's. After
// a 401 the token is reported as Rejected, and where the daemon has another one
// the request is sent once more, if its body can be read again ([http.Request]'s
// GetBody): a body that streams is sent once.
//
// It is safe for concurrent use, as its parts are.
type Transport struct {
	Client *helper.Client
	Base   http.RoundTripper // nil is http.DefaultTransport
	Team   *string           // whom requests are attributed to, as in [protocol.Query]
}

// RoundTrip implements [http.RoundTripper]. It does not change req.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	server := req.URL.Scheme + "://" + req.URL.Host
	if req.Header.Get("Authorization") != "" || !t.Client.Serves(server) {
		return t.base().RoundTrip(req)
	}
	query := protocol.Query{ServerURL: server, Team: t.Team}
	cred, err := t.Client.Get(req.Context(), query)
	if err != nil {
		return nil, errors.Join(err, closeBody(req)) // RoundTrip closes the body whatever happens
	}
	resp, err := t.base().RoundTrip(with(req, cred))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || cred.Username != "Bearer" {
		return resp, err
	}
	query.Rejected = cred.Secret
	newer, err := t.Client.Get(req.Context(), query)
	if err != nil || newer.Secret == cred.Secret {
		return resp, nil
	}
	again, ok := repeat(req)
	if !ok {
		return resp, nil
	}
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	resp.Body.Close()
	return t.base().RoundTrip(with(again, newer))
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

// with is the request with the credential.
func with(req *http.Request, cred protocol.Credential) *http.Request {
	req = req.Clone(req.Context())
	cred.SetHeaders(req.Header.Set)
	return req
}

// repeat is the request with its body from the beginning.
func repeat(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again := req.Clone(req.Context())
	again.Body = body
	return again, true
}

func closeBody(req *http.Request) error {
	if req.Body == nil {
		return nil
	}
	return req.Body.Close()
}
