package doctor

import (
	"fmt"
	"time"

	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/tokenfile"
)

// After so many rotations, and so long, a doubt will not pass by itself.
const (
	doubtRotations = 3
	doubtLasts     = 24 * time.Hour
)

// examineDoubt names what an issuer's keys do not verify for long. ok is false
// where there is nothing to say.
func examineDoubt(cfg Config) (f Finding, ok bool) {
	file := tokenfile.In(cfg.Home, nil)
	m, err := journal.Load(cfg.Home)
	d := m.Doubt
	if err != nil || !d.Of(file.Read().Pair.Refresh) || d.Rotations < doubtRotations || time.Since(d.Since) < doubtLasts {
		return Finding{}, false
	}
	return Finding{"id token", Warn,
		fmt.Sprintf("the login's ID tokens are unverified since %s, through %d rotations: %s (key %q, algorithm %q, key set %q)",
			d.Since.Format(time.DateOnly), d.Rotations, journal.Bounded(d.Cause), journal.Bounded(d.Key), journal.Bounded(d.Algorithm), journal.Bounded(d.Keys)),
		"the login is served all the same; if that key set lacks the key, whoever runs the issuer has to publish it"}, true
}
