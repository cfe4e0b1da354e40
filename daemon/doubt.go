package daemon

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// doubtPauses are those after which an ID token in doubt is tried again (R10).
// Then each rotation brings another, or tries the same.
var doubtPauses = []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute}

// doubt is the newest ID token of the login held, while it is in doubt. It is in
// memory only: after a restart the next rotation judges.
type doubt struct {
	token   idToken
	subject string // the chain's
	tries   int
	retryAt time.Time // zero: a try is under way, or the next is a rotation's
}

// doubted is what falcred.json keeps of a doubt, for other processes and the next
// start. What comes of the issuer is bounded and printable in it.
type doubted struct {
	Login     string    // fingerprint of the refresh token that it came with, or that followed
	Since     time.Time // the login has not been verified
	Rotations int       // that brought nothing better
	Cause     string
	Key       string // kid
	Algorithm string // alg
	Keys      string // where the issuer's keys are
}

// of says whether it is about the login of that refresh token.
func (d doubted) of(refresh string) bool { return refresh != "" && d.Login == fingerprint(refresh) }

// step goes on to the next refresh token of the login.
func (d doubted) step(from, to string) doubted {
	if !d.of(from) {
		return doubted{}
	}
	d.Login = fingerprint(to)
	return d
}

// again is one more ID token in doubt, of the same login or a first one.
func (d doubted) again(refresh string, v verdict, keys string, now time.Time) doubted {
	if !d.of(refresh) {
		d = doubted{Login: fingerprint(refresh), Since: now.UTC().Truncate(time.Second)}
	}
	d.Cause = v.doubt.Error()
	d.Key, d.Algorithm, d.Keys = bounded(v.token.key), bounded(v.token.algorithm), bounded(keys)
	return d
}

// bounded makes an issuer's text fit for a file of ours and a terminal.
func bounded(text string) string {
	const most = 200
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text[:min(len(text), most)])
}

func (d doubted) warning() string {
	return fmt.Sprintf("the login's newest ID token is unverified: %s (key %q, algorithm %q); the login is served all the same, and nothing is learned from it",
		d.Cause, d.Key, d.Algorithm)
}

// doubtLocked keeps an ID token that is in doubt. What it returns is to be
// remembered.
func (l *Login) doubtLocked(v verdict, subject string, rotation bool) (learned func(*memory)) {
	now, refresh := time.Now(), l.login.refresh
	l.doubt = &doubt{token: v.token, subject: subject, retryAt: now.Add(doubtPauses[0])}
	note := l.memory.Doubt.again(refresh, v, l.issuer.keysAt(), now)
	if rotation {
		note.Rotations++
	}
	l.memory.Doubt = note
	l.log.Warn(note.warning())
	return func(m *memory) {
		if m.issued(refresh) {
			m.Doubt = note
		}
	}
}

// toVerify is the ID token that a rotation is judged by: the one that it brought,
// or else one that has been in doubt since an earlier rotation.
func (l *Login) toVerify(brought idToken) idToken {
	l.mu.Lock()
	defer l.mu.Unlock()
	if brought.raw == "" && l.doubt != nil {
		return l.doubt.token
	}
	return brought
}

// verifiedLocked ends a doubt, if there was one, and learns whose the login is.
func (l *Login) verifiedLocked(subject string) (learned func(*memory)) {
	l.doubt = nil
	if !l.inDoubtLocked() {
		return l.learnLocked(subject)
	}
	l.log.Info("the login's ID token is verified after all")
	l.memory.Doubt = doubted{}
	refresh := l.login.refresh
	return func(m *memory) {
		if m.issued(refresh) {
			m.Subject, m.Doubt = subject, doubted{}
		}
	}
}

// learnLocked takes note of whose the login is. What it returns is to be
// remembered, nil if that is known.
func (l *Login) learnLocked(subject string) (learned func(*memory)) {
	refresh := l.login.refresh
	if l.memory.subjectOf(refresh) == subject {
		return nil
	}
	return func(m *memory) { m.belongs(refresh, subject) }
}

// inDoubtLocked: nothing is known for certain of the login held (R10).
func (l *Login) inDoubtLocked() bool { return l.memory.Doubt.of(l.login.refresh) }

// doubtAtLocked is when the schedule should try again.
func (l *Login) doubtAtLocked() time.Time {
	if l.doubt == nil {
		return time.Time{}
	}
	return l.doubt.retryAt
}

// reconsiderLocked tries an ID token again when its time has come.
func (l *Login) reconsiderLocked(now time.Time) {
	d := l.doubt
	if d == nil || l.login.refresh == "" || d.retryAt.IsZero() || left(d.retryAt, now) > 0 {
		return
	}
	d.retryAt = time.Time{}
	l.work.Go(func() { l.reconsider(d) })
}

// reconsider must not hold the lock: the keys are fetched.
func (l *Login) reconsider(d *doubt) {
	v := l.issuer.verify(l.ending.side, d.token, d.subject)
	l.mu.Lock()
	var learned func(*memory)
	switch {
	case l.doubt != d: // a rotation was faster, or another login is here
	case v.verified():
		learned = l.verifiedLocked(v.subject())
	default:
		if d.tries++; d.tries < len(doubtPauses) {
			d.retryAt = time.Now().Add(doubtPauses[d.tries])
		}
	}
	l.mu.Unlock()
	if learned != nil {
		l.remember(learned)
	}
	l.poke()
}

// fingerprints are a short list of tokens, the newest last.
type fingerprints []string

// with adds some. A wrong answer is the last of its login, so few are ever there;
// the oldest go.
func (f fingerprints) with(prints ...string) fingerprints {
	const most = 16
	for _, print := range prints {
		if !slices.Contains(f, print) {
			f = append(slices.Clip(f), print) // copies of a memory share the list
		}
	}
	return f[max(0, len(f)-most):]
}

// distrust remembers a wrong answer, for an earlier version too.
func (m *memory) distrust(p pair) {
	m.Wrong = m.Wrong.with(fingerprint(p.refresh))
	m.Unverified = fingerprint(p.access)
}

// distrusts says whether the login of a refresh token is over by such an answer.
func (m *memory) distrusts(refresh string) bool {
	return slices.Contains(m.Wrong, fingerprint(refresh))
}

// unjudged says whether an earlier version has called a pair unverified: it may
// only have been in doubt.
func (m *memory) unjudged(p pair) bool {
	return p.access != "" && m.Unverified == fingerprint(p.access) && !m.distrusts(p.refresh)
}

// After so many rotations, and so long, a doubt will not pass by itself.
const (
	doubtRotations = 3
	doubtLasts     = 24 * time.Hour
)

// examineDoubt names what an issuer's keys do not verify for long. ok is false
// where there is nothing to say.
func examineDoubt(cfg Config) (f Finding, ok bool) {
	file := tokenFile{path: cfg.tokenPath(), warn: func(string) {}}
	m, err := loadMemory(cfg.Home)
	d := m.Doubt
	if err != nil || !d.of(file.read().pair.refresh) || d.Rotations < doubtRotations || time.Since(d.Since) < doubtLasts {
		return Finding{}, false
	}
	return Finding{"id token", Warn,
		fmt.Sprintf("the login's ID tokens are unverified since %s, through %d rotations: %s (key %q, algorithm %q, key set %q)",
			d.Since.Format(time.DateOnly), d.Rotations, bounded(d.Cause), bounded(d.Key), bounded(d.Algorithm), bounded(d.Keys)),
		"the login is served all the same; if that set has no such key, who runs the issuer has to mend it"}, true
}
