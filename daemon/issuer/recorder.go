package issuer

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"

	"github.com/falcred/falcred/daemon/internal/httpx"
)

// maxReply caps a token reply; the largest real one is a few KiB.
const maxReply = 1 << 20

// recorder keeps the bytes of the answer: x/oauth2 drops a reply that lacks
// an access token or carries the wrong label, and a refresh token in it would
// be lost with it (R6). Who speaks in it is told by them, too (R8).
type recorder struct {
	next   http.RoundTripper
	most   int // bytes of a body
	status int // 0: no answer
	header http.Header
	body   []byte
	whole  bool // the body came to its end
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	r.status = 0
	resp, err := r.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	r.status, r.header = resp.StatusCode, resp.Header
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, int64(r.most))) // what arrived counts, however it ended
	r.whole = err == nil && len(r.body) < r.most
	r.body = bytes.TrimPrefix(r.body, []byte("\ufeff")) // some write a byte order mark
	resp.Body = io.NopCloser(bytes.NewReader(r.body))
	return resp, nil
}

// said is who speaks in an answer that has come.
func (r *recorder) said() httpx.Answer { return httpx.Judge(r.status, r.header, r.body) }

// word is the OAuth error by which the issuer speaks in an answer to a device login. RFC
// 8628's own words count with any status: Google sends 428 with them, Auth0 429.
func (r *recorder) word() string {
	members, _ := scanObject(r.body)
	switch code := members["error"]; code {
	case "authorization_pending", "slow_down", "expired_token":
		return code
	}
	return r.said().Code
}

// scanObject collects the members of a JSON object that a token reply is made
// of, as far as it goes: in an answer that was cut, what arrived whole is still
// good.
func scanObject(body []byte) (members map[string]string, whole bool) {
	members = map[string]string{}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return members, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return members, false
		}
		var value any
		if dec.Decode(&value) != nil {
			return members, false
		}
		name, _ := key.(string)
		switch v := value.(type) {
		case string:
			members[name] = v
		case json.Number:
			if name == "expires_in" || name == "interval" { // a token is a string: "2" is not what 2 meant
				members[name] = v.String()
			}
		}
	}
	_, err := dec.Token() // the closing brace
	return members, err == nil
}
