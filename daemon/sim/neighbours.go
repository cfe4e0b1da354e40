//go:build linux

package main

import (
	"io/fs"
	"os"
	"time"

	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/disk"
)

// Those who use the token file beside falcred, as DESIGN.md §2 has them.

const lockPath = home + "/" + tokenfile.LockName

// neighbourLock is portalocker's, which unlinks its file after use.
type neighbourLock struct {
	w       *world
	by      *process
	file    disk.File
	unlinks int // as the judge had counted them when it was taken
}

// lock waits for 20 s, as the neighbours do.
func (w *world) lock(p *process) *neighbourLock {
	for range 80 {
		file, err := w.disk.OpenFile(lockPath, os.O_RDWR|os.O_CREATE, 0o644)
		if err == nil {
			if w.disk.TryLock(file) == nil {
				l := &neighbourLock{w, p, file, w.judge.unlinks}
				w.judge.excludes(l)
				return l
			}
			file.Close()
		}
		w.sleep(250 * time.Millisecond)
	}
	w.unlink() // whoever holds it
	return nil
}

func (l *neighbourLock) release() {
	if l.w.judge.holder == l {
		l.w.judge.holder = nil
	}
	l.file.Close()
	l.w.unlink()
}

// unlink removes the lock's file: those who hold it exclude nobody any more.
func (w *world) unlink() {
	w.judge.unlinks++
	w.disk.Remove(lockPath)
	w.judge.unlinks++
}

// writeInPlace truncates the file, and then writes it.
func (w *world) writeInPlace(p *process, pair tokenfile.TokenPair) {
	file, err := w.disk.OpenFile(tokenPath, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		w.lostAnswer(p, pair, "could not write it")
		return
	}
	defer file.Close()
	if w.chance(0.02) { // it dies here
		w.say("%s dies between its truncate and its write", p.name)
		w.emptied(p, pair, "died before it wrote it")
		return
	}
	if _, err := file.Write(pair.Bytes()); err != nil {
		w.emptied(p, pair, "could not write it")
	}
}

// emptied notes that a neighbour has left the file empty: what was in it is gone, too, where no
// daemon has it in memory.
func (w *world) emptied(p *process, pair tokenfile.TokenPair, how string) {
	w.judge.empties()
	w.lostAnswer(p, pair, how)
	if f := w.judge.expected.fam; f != nil {
		f.excuse = p.name + " has emptied the file, and " + how
	}
}

// lostAnswer notes that the newest token of a login is in nobody's hands, by a neighbour's doing.
func (w *world) lostAnswer(p *process, pair tokenfile.TokenPair, how string) {
	if g := w.idp.grants[pair.Refresh]; g != nil {
		g.fam.excuse = p.name + " " + how
	}
}

// expires is when an access token says that it ends.
func (w *world) expires(token string) (time.Time, bool) {
	a := w.idp.accesses[token]
	if a == nil || w.idp.opaque {
		return time.Time{}, false
	}
	return a.ends, true
}

// cli is the fal CLI wanting a token: it refreshes 30 min before the end, under the lock, and
// deletes the file where that fails.
func (w *world) cli(p *process, locks bool) {
	pair, ok := w.readFile()
	if ends, known := w.expires(pair.Access); !ok || known && ends.Sub(w.clock.wall()) > 30*time.Minute {
		return
	}
	if locks {
		l := w.lock(p)
		if l == nil {
			return
		}
		defer l.release()
		if pair, ok = w.readFile(); !ok {
			return
		}
		if ends, known := w.expires(pair.Access); known && ends.Sub(w.clock.wall()) > 30*time.Minute {
			return
		}
	}
	w.judge.neighbourReads(p, pair.Refresh)
	fresh := w.neighbourRefresh(p, pair.Refresh)
	if fresh.Refresh == "" {
		w.say("%s cannot refresh, and deletes the file", p.name)
		before := w.judge.expected
		w.judge.expected.sure = false // a logout, as far as anybody can see
		if w.disk.Remove(tokenPath) == nil && before.sure {
			w.judge.deleted(before.fam, pair.Refresh)
		}
		return
	}
	w.writeInPlace(p, fresh)
}

// sdk is fal_client: it refreshes 5 min before the end, and takes no lock for it.
func (w *world) sdk(p *process) {
	pair, ok := w.readFile()
	if ends, known := w.expires(pair.Access); !ok || known && ends.Sub(w.clock.wall()) > 5*time.Minute {
		return
	}
	w.judge.neighbourReads(p, pair.Refresh)
	if fresh := w.neighbourRefresh(p, pair.Refresh); fresh.Refresh != "" {
		w.writeInPlace(p, fresh)
	}
}

// neighbourRefresh is a neighbour's request.
func (w *world) neighbourRefresh(p *process, refresh string) (fresh tokenfile.TokenPair) {
	w.sleep(w.latency())
	if now := w.clock.mono; now < w.net.down || now < w.net.pages || now < w.net.busy || now < w.net.refuse || now < w.net.mute {
		return fresh
	}
	old := w.idp.grants[refresh]
	g := w.idp.redeem(refresh, p)
	w.say("%s refreshes with %s: %v", p.name, refresh, g != nil)
	if g == nil {
		return fresh
	}
	if old.by != p || w.judge.sending(refresh) { // two have used one token up: which of the two successors lasts is the issuer's to say
		g.fam.excuse = p.name + " and falcred have used up one token, each for itself"
	}
	w.sleep(w.latency())
	if w.clock.mono < w.net.lossy && w.chance(0.5) {
		g.fam.excuse = p.name + " lost the answer to its refresh"
		return fresh
	}
	return w.idp.pair(g)
}

// editor opens the file and saves it as it is: by a new file, or in place.
func (w *world) editor(p *process) {
	data, ok := w.disk.ReadRaw(tokenPath)
	if !ok || len(data) == 0 {
		return
	}
	w.sleep(w.between(time.Millisecond, 50*time.Millisecond))
	now, _ := w.disk.ReadRaw(tokenPath)
	if string(now) != string(data) {
		return // it says that the file has changed
	}
	if w.chance(0.5) {
		file, err := w.disk.OpenFile(tokenPath+"~", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
		if err != nil {
			return
		}
		_, err = file.Write(data)
		file.Close()
		if err == nil {
			w.disk.Rename(tokenPath+"~", tokenPath)
		} else if now, there := w.disk.ReadRaw(tokenPath); there && len(now) == 0 { // by its other name, which a power cut has left
			w.emptied(p, tokenfile.TokenPair{}, "could not write it")
		}
		return
	}
	if file, err := w.disk.OpenFile(tokenPath, os.O_WRONLY|os.O_TRUNC, fs.FileMode(0o644)); err == nil {
		if _, err := file.Write(data); err != nil {
			w.emptied(p, tokenfile.TokenPair{}, "could not write it")
		}
		file.Close()
	}
}
