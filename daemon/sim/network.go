//go:build linux

package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// weather is what is between this machine and the issuer: what goes wrong, and until when.
type weather struct {
	down   time.Duration // no connection is made
	silent bool          // and nobody says so
	lossy  time.Duration // answers are lost, or cut
	pages  time.Duration // something else answers
	kept   bool          // and the issuer has heard the request all the same
	status int           // of the pages
	slow   time.Duration
	busy   time.Duration // the issuer asks for patience
	pause  int           // its Retry-After, in seconds
	mute   time.Duration // the issuer answers no refresh, though its keys can be had
	muted  time.Duration // since when
	refuse time.Duration // the issuer refuses refreshes by an OAuth error that ends no login
	error  string        // that
	last   time.Duration // when the last fault ends
}

// RoundTrip is the transport of each falcred (http.RoundTripper).
func (w *world) RoundTrip(req *http.Request) (*http.Response, error) {
	w.seam("connect")
	ctx, p := req.Context(), w.proc
	ended := func() bool { return ctx.Err() != nil }
	if w.clock.mono < w.net.down {
		if w.net.silent {
			w.Wait(time.Minute, ended)
			return nil, ctx.Err()
		}
		return nil, errors.New("connection refused")
	}
	if t := httptrace.ContextClientTrace(ctx); t != nil && t.GotConn != nil {
		t.GotConn(httptrace.GotConnInfo{})
	}
	var form url.Values
	if req.Body != nil {
		data, err := io.ReadAll(req.Body)
		if err == nil {
			form, err = url.ParseQuery(string(data))
		}
		if err != nil {
			return nil, err
		}
	}
	refresh := form.Get("refresh_token")
	if refresh != "" {
		w.judge.sends(p, refresh)
		w.cur.phase = "in flight: "
		defer w.judge.sent(p, refresh)
	}
	var got *answer
	w.clock.add(w.latency(), nil, func() { // though the process should die meanwhile
		w.idp.late = p.dead || ended()
		a := w.answer(req.URL.Path, form, p)
		w.idp.late = false
		w.clock.add(w.latency(), nil, func() { got = &a })
	})
	w.Wait(time.Minute, func() bool { return got != nil || ctx.Err() != nil })
	if got == nil || got.status == 0 {
		if got != nil && w.chance(0.5) {
			return nil, errors.New("connection reset by peer")
		}
		w.Wait(time.Minute, ended)
		return nil, ctx.Err()
	}
	if w.cur.phase != "" {
		w.cur.phase = "answered: "
	}
	return w.response(req, refresh, p, *got), nil
}

func (w *world) latency() time.Duration {
	if w.clock.mono < w.net.slow {
		return w.between(100*time.Millisecond, 9*time.Second)
	}
	return w.between(time.Millisecond, 150*time.Millisecond)
}

// answer is what comes back: the issuer's, a page of something in between, or nothing (status
// 0), whether the issuer has heard the request or not.
func (w *world) answer(path string, form url.Values, p *process) answer {
	switch now := w.clock.mono; {
	case now < w.net.busy:
		return answer{status: 429, body: `{"error":"slow_down"}`}
	case now < w.net.mute && form.Get("refresh_token") != "":
		w.judge.unheard[p] = unanswered{form.Get("refresh_token"), now}
		return answer{}
	case now < w.net.refuse && form.Get("refresh_token") != "":
		w.judge.refused(form.Get("refresh_token"))
		return answer{status: w.net.status, body: `{"error":"` + w.net.error + `"}`}
	case now < w.net.pages:
		if w.net.kept {
			w.idp.handle(path, form, p)
		}
		return answer{status: w.net.status, body: "<html>Sign in to this network</html>"}
	case now < w.net.lossy && w.chance(0.5):
		if w.chance(0.7) {
			w.idp.handle(path, form, p)
		}
		return answer{}
	}
	return w.idp.handle(path, form, p)
}

// response is what net/http makes of an answer. One that is cut comes without its end.
func (w *world) response(req *http.Request, refresh string, p *process, a answer) *http.Response {
	header := http.Header{"Content-Type": {"application/json"}}
	if strings.HasPrefix(a.body, "<") {
		header.Set("Content-Type", "text/html")
	}
	if a.status == 429 && w.net.pause > 0 {
		header.Set("Retry-After", strconv.Itoa(w.net.pause))
		if w.judge.holds(refresh) {
			w.judge.asksForPatience(p, w.net.pause)
		}
	}
	var body io.Reader = strings.NewReader(a.body)
	if w.clock.mono < w.net.lossy && len(a.body) > 0 && w.chance(0.3) {
		body = io.MultiReader(strings.NewReader(a.body[:w.rng.IntN(len(a.body))]), cut{})
	} else if a.grant != nil {
		a.grant.from.reached = p
		if t := w.idp.accesses[a.wrong]; t != nil {
			t.wrong, a.grant.wrong = true, true
		}
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(body), ContentLength: -1, Request: req,
	}
}

// cut is where a body ends before its end.
type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
