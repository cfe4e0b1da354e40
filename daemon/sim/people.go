//go:build linux

package main

import (
	"context"
	"encoding/base64"
	"os"
	"strconv"
	"time"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/issuer"
	"github.com/falcred/falcred/daemon/login"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol"
)

// command runs a command of falcred's for a person.
func (w *world) command(name string, f func(p *process)) {
	p := &process{name: name, kind: aCommand}
	w.spawn(p, func() {
		defer func() { w.kill(p) }()
		f(p)
	})
}

// outside runs a program that is not falcred's.
func (w *world) outside(name string, k kind, f func(p *process)) {
	p := &process{name: name, kind: k}
	w.spawn(p, func() {
		defer func() { w.kill(p) }()
		f(p)
	})
}

// falcredLogin is `falcred login`, as far as it touches the home.
func (w *world) falcredLogin(subject string) {
	w.command("falcred login", func(p *process) {
		if err := fsx.MakeHome(home); err != nil {
			w.say("falcred login: %v", err)
			return
		}
		if err := login.Keepable(context.Background(), w.config()); err != nil {
			w.say("falcred login: %v", err)
			return
		}
		w.sleep(w.between(time.Second, time.Minute)) // in the browser
		f := w.idp.login(subject)
		w.say("%s confirms login %d in the browser", subject, f.id)
		reply := issuer.Reply{Tokens: w.idp.pair(f.newest), Lifetime: w.idp.lifetime}
		err := login.Keep(context.Background(), w.config(), &issuer.PendingLogin{Reply: reply, Subject: subject, ClientID: issuer.FalClientID}, nil)
		w.say("falcred login: login %d is kept: %v", f.id, err)
		if err == nil {
			w.judge.read()
			w.judge.claims(p)
		}
	})
}

// endedSoon is a login that the issuer ends after a while.
func (w *world) endedSoon(subject string, after time.Duration) {
	before := w.judge.expected.fam
	w.falcredLogin(subject)
	w.clock.add(after, nil, func() {
		if f := w.judge.expected.fam; f != nil && f != before && f.ended == "" {
			f.ended = "the issuer"
			w.say("the issuer ends login %d by itself", f.id)
		}
	})
}

// falLogin is `fal auth login`: line 1 only, in place, and then its own refresh.
func (w *world) falLogin(subject string, locks bool) {
	w.outside("fal auth login", aPerson, func(p *process) {
		f := w.idp.login(subject)
		w.say("%s confirms login %d in the browser", subject, f.id)
		var l *neighbourLock
		if locks {
			if l = w.lock(p); l == nil {
				return
			}
		}
		w.writeInPlace(p, tokenfile.TokenPair{Refresh: f.newest.refresh})
		if l != nil {
			l.release()
		}
		w.sleep(w.between(10*time.Millisecond, 300*time.Millisecond))
		w.cli(p, locks)
	})
}

// halfLogin is one that is interrupted before it refreshes.
func (w *world) halfLogin(subject string) {
	w.outside("fal auth login", aPerson, func(p *process) {
		f := w.idp.login(subject)
		w.say("%s confirms login %d in the browser, and interrupts what follows", subject, f.id)
		w.writeInPlace(p, tokenfile.TokenPair{Refresh: f.newest.refresh})
	})
}

// logout is `falcred logout`, which asks a daemon where one runs.
func (w *world) logout(local bool) {
	for _, d := range w.daemons {
		if d.serves() {
			d.erase(local)
			return
		}
	}
	w.command("falcred logout", func(p *process) {
		before := w.judge.expected.fam
		done, err := login.Logout(w.config(), local)
		w.say("falcred logout: revoked %v, %v", done.Revoked, err)
		if err == nil {
			w.judge.loggedOut(before)
		}
	})
}

// erase is a client's.
func (d *daemon) erase(local bool) {
	w := d.w
	d.client(func(m *login.Manager) {
		before := w.judge.expected.fam
		w.judge.erasing++
		if local {
			w.judge.locally++
			defer func() { w.judge.locally-- }()
		}
		defer func() { w.judge.read(); w.judge.erasing-- }()
		done, err := m.Erase(protocol.Query{ServerURL: server, Local: local})
		w.say("erase over the socket of %s: revoked %v, %v", d.name, done.Revoked, err)
		if err == nil {
			w.judge.loggedOut(before)
		}
	})
}

// store is a client that brings a login.
func (d *daemon) store(subject string) {
	w := d.w
	d.client(func(m *login.Manager) {
		f := w.idp.login(subject)
		f.excuse = "it was brought by store"
		w.judge.storing[f] = true
		w.offered = f.newest.refresh
		err := m.Store(offer(w.offered), login.Client{PID: 1})
		w.say("store of login %d over the socket of %s: %v", f.id, d.name, err)
		if err == nil {
			f.excuse = ""
		}
	})
}

func offer(refresh string) protocol.Login {
	return protocol.Login{ServerURL: server, Username: protocol.TokenUsername, Secret: protocol.Secret(refresh)}
}

// storeAgain is a client that brings what the last one has brought.
func (d *daemon) storeAgain() {
	w := d.w
	d.client(func(m *login.Manager) {
		if w.offered != "" {
			w.say("store of %s, once more, over the socket of %s: %v", w.offered, d.name, m.Store(offer(w.offered), login.Client{PID: 2}))
		}
	})
}

// falLogout is `fal auth logout`: it revokes, which has to succeed, and deletes.
func (w *world) falLogout(locks bool) {
	w.outside("fal auth logout", aPerson, func(p *process) {
		if locks {
			l := w.lock(p)
			if l == nil {
				return
			}
			defer l.release()
		}
		pair, ok := w.readFile()
		if !ok || w.clock.mono < w.net.down {
			return
		}
		if g := w.idp.grants[pair.Refresh]; g != nil && g.fam.ended == "" {
			g.fam.ended = "fal auth logout"
			w.say("the issuer ends login %d: fal auth logout", g.fam.id)
		}
		w.disk.Remove(tokenPath)
		w.judge.loggedOut(w.judge.expected.fam)
		w.judge.expected.loose = w.judge.holder == nil || w.judge.holder.by != p
	})
}

// foreignLogin is somebody's who writes another issuer's login, and takes it away after a while.
func (w *world) foreignLogin(after time.Duration) {
	w.outside("another fal", aPerson, func(p *process) {
		w.idp.issued++
		id := strconv.Itoa(w.idp.issued)
		claims := `{"iss":"https://elsewhere.example/","sub":"ann","iat":` + strconv.FormatInt(w.clock.truth().Unix(), 10) +
			`,"exp":` + strconv.FormatInt(w.clock.truth().Add(w.idp.lifetime).Unix(), 10) + `}`
		pair := tokenfile.TokenPair{Refresh: "elsewhere." + id, Access: "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig"}
		text := string(pair.Bytes())
		w.judge.foreign[text], w.judge.foreign[pair.Access] = true, true
		if f := w.judge.expected.fam; f != nil {
			f.excuse = "another issuer's login was written over it"
		}
		w.judge.expected.sure = false
		w.writeInPlace(p, pair)
		w.sleep(after)
		if data, _ := w.disk.ReadRaw(tokenPath); string(data) == text {
			w.disk.Remove(tokenPath)
		}
	})
}

// oldCopy is a logout here alone, and somebody who puts back what was in the file.
func (w *world) oldCopy(d *daemon, after time.Duration) {
	if !d.serves() {
		return
	}
	_, there := w.disk.ReadRaw(tokenPath)
	if !there {
		return
	}
	copied := w.copy(tokenPath)
	d.erase(true)
	w.clock.add(after, nil, func() {
		if _, there := w.disk.ReadRaw(tokenPath); !there {
			w.say("the token file is put back as it was before the logout")
			w.disk.Put(copied.of)
			w.judge.restored(tokenPath, copied.at)
			w.changed = w.clock.mono
		}
	})
}

// hardLink gives the token file a second name for a while: it is written in place then, and whoever
// reads it in the middle of that, or a crash, finds a mixture (F2).
func (w *world) hardLink(long time.Duration) {
	const second = tokenPath + ".too"
	if w.disk.Link(tokenPath, second) != nil {
		return
	}
	w.linked = true
	w.clock.add(long, nil, func() {
		w.linked = false
		w.disk.Remove(second)
	})
}

// remove is somebody's rm.
func (w *world) remove() {
	w.outside("rm", aPerson, func(p *process) { w.disk.Remove(tokenPath) })
}

// readFile reads the token file as a neighbour does.
func (w *world) readFile() (tokenfile.TokenPair, bool) {
	file, err := w.disk.OpenFile(tokenPath, os.O_RDONLY, 0)
	if err != nil {
		return tokenfile.TokenPair{}, false
	}
	defer file.Close()
	data := make([]byte, 8192)
	n, _ := file.Read(data)
	pair, err := tokenfile.Parse(data[:n])
	return pair, err == nil
}
