package issuer

import (
	"context"
	"fmt"

	"github.com/falcred/falcred/daemon/internal/httpx"
)

// Ready finds out, before others have to wait, what a refresh needs and what may take its
// time: the endpoints ([Provider.Discover]), and the addresses of the token endpoint's
// host, or of the proxy before it (httpx.LookupTimeout). They are remembered for a minute.
// Its error is why a refresh would not be sent.
func (p *Provider) Ready(ctx context.Context) error {
	e, err := p.Discover(ctx)
	if err != nil {
		return err
	}
	if err := p.lookUp(ctx, e.Token); err != nil {
		p.doubt() // there may be nobody, since the issuer has moved
		return fmt.Errorf("the issuer cannot be reached: %s", httpx.Describe(err))
	}
	return nil
}
