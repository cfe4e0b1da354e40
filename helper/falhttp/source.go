package falhttp

import (
	"context"
	"errors"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"golang.org/x/oauth2"
)

// ErrTeam says that requests of the login are attributed to a team by a header
// of their own, which an [oauth2.Token] cannot carry. They would be attributed to
// the personal account: use [Transport].
var ErrTeam = errors.New("a team is chosen, and a token alone cannot carry it\nuse falhttp.Transport, or: falcred team unset")

// TokenSource gives falcred's credential to what is built on x/oauth2. It asks
// each time, and so never holds a token that has been rotated away; a cache such
// as [oauth2.ReuseTokenSource] only makes it older. ctx ends all of its
// questions. A token of type Key is one of FAL_KEY's.
func TokenSource(ctx context.Context, client *helper.Client) oauth2.TokenSource {
	return source{ctx, client}
}

type source struct {
	ctx    context.Context
	client *helper.Client
}

// Token implements [oauth2.TokenSource].
func (s source) Token() (*oauth2.Token, error) {
	cred, err := s.client.Get(s.ctx, protocol.Query{ServerURL: protocol.DefaultServer})
	if err != nil {
		return nil, err
	}
	if len(cred.Headers) > 0 {
		return nil, ErrTeam
	}
	return &oauth2.Token{AccessToken: string(cred.Secret), TokenType: cred.Username, Expiry: cred.Expires}, nil
}
