package helper

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/falcred/falcred/protocol"
)

func (r *run) get(ctx context.Context) (string, error) {
	payload, err := r.payload()
	if err != nil {
		return "", err
	}
	if uri, ok := bazelRequest(payload); ok {
		cred, err := r.credential(ctx, protocol.Query{ServerURL: uri})
		if err != nil {
			return "", bazelError{err}
		}
		return bazelAnswer(cred)
	}
	q, err := protocol.ParseQuery(payload)
	if err != nil {
		return "", err
	}
	cred, err := r.credential(ctx, q)
	if err != nil {
		return "", err
	}
	return answer(cred)
}

// list asks for one credential and answers with its kind for every server, so
// that it never promises what get would not give. No credential is no error
// here, as with docker's helpers.
func (r *run) list(ctx context.Context) (string, error) {
	list := make(map[string]string)
	cred, err := r.credential(ctx, protocol.Query{ServerURL: protocol.DefaultServer})
	if code := codeOf(err); err != nil && code != protocol.CodeNotFound {
		return "", err
	}
	if err == nil {
		for _, server := range r.client.servers.List() {
			list[server] = cred.Username
		}
	}
	return answer(list)
}

func (r *run) store(ctx context.Context) error {
	payload, err := r.payload()
	if err != nil {
		return err
	}
	login, err := protocol.ParseLogin(payload)
	if err != nil {
		return err
	}
	if !r.client.servers.Match(login.ServerURL) {
		return protocol.Errorf(protocol.CodeDenied,
			"only a login for fal.ai can be stored here\nconfigure this helper for fal.run in credHelpers, not as credsStore")
	}
	// A store makes the login: nothing has to be there before.
	anywhere := func(string) bool { return true }
	return r.withDaemon(ctx, anywhere, func() error { return r.client.Store(ctx, login) })
}

// erase logs out for fal's own hosts only (§4). For any other there is nothing
// to erase: docker logout asks for every registry where this is the credsStore.
func (r *run) erase(ctx context.Context) error {
	payload, err := r.payload()
	if err != nil {
		return err
	}
	q, err := protocol.ParseQuery(payload)
	if err != nil {
		return err
	}
	if !r.client.servers.IsFal(q.ServerURL) {
		return errForeign
	}
	return r.withDaemon(ctx, r.hasLogin, func() error {
		_, err := r.client.Erase(ctx, q)
		return err
	})
}

// print is header and token.
func (r *run) print(ctx context.Context, verb string, args []string) (string, error) {
	server := protocol.DefaultServer
	if len(args) > 0 {
		server = args[0]
	}
	cred, err := r.credential(ctx, protocol.Query{ServerURL: server})
	if err != nil {
		return "", err
	}
	if verb == "token" {
		return cred.Secret + "\n", nil
	}
	var out strings.Builder
	out.WriteString("Authorization: " + cred.Authorization() + "\n")
	for _, name := range slices.Sorted(maps.Keys(cred.Headers)) {
		out.WriteString(name + ": " + cred.Headers[name] + "\n")
	}
	return out.String(), nil
}

// payload is standard input without the white space around it. An object may
// come on several lines, and becomes one; anything else may not: docker's
// helpers join the lines, which turns two harmless ones into a foreign host.
func (r *run) payload() (string, error) {
	in, err := io.ReadAll(io.LimitReader(r.stdin, protocol.MaxLine+1))
	if err != nil {
		return "", protocol.Errorf(protocol.CodeBadRequest, "standard input cannot be read")
	}
	if len(in) > protocol.MaxLine {
		return "", protocol.Errorf(protocol.CodeBadRequest, "standard input is longer than 64 KiB")
	}
	in = bytes.TrimSpace(in)
	if bytes.HasPrefix(in, []byte("{")) {
		var line bytes.Buffer
		if json.Compact(&line, in) == nil {
			in = line.Bytes()
		}
	}
	return string(in), nil
}

// bazelRequest recognises the request of Bazel's credential helpers (get in
// EngFlow's credential-helper-spec).
func bazelRequest(payload string) (uri string, ok bool) {
	if !strings.HasPrefix(payload, "{") {
		return "", false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal([]byte(payload), &members) != nil {
		return "", false
	}
	raw, ok := members["uri"]
	if _, docker := members["ServerURL"]; docker || !ok {
		return "", false
	}
	json.Unmarshal(raw, &uri) // what is no string is no server either
	return uri, true
}

func bazelAnswer(cred protocol.Credential) (string, error) {
	reply := struct {
		Headers map[string][]string `json:"headers"`
		Expires string              `json:"expires,omitempty"`
	}{Headers: map[string][]string{"Authorization": {cred.Authorization()}}}
	for name, value := range cred.Headers {
		reply.Headers[name] = []string{value}
	}
	if !cred.Expires.IsZero() {
		reply.Expires = cred.Expires.UTC().Format(time.RFC3339)
	}
	return answer(reply)
}

func answer(v any) (string, error) {
	line, err := protocol.AppendAnswer(nil, v)
	return string(line), err
}
