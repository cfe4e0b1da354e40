package dockercred

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"syscall"

	"github.com/falcred/falcred/helper"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/bazel"
)

func (r *run) get(ctx context.Context) ([]byte, error) {
	payload, err := r.payload()
	if err != nil {
		return nil, err
	}
	if uri, ok := bazel.ParseRequest(payload); ok {
		cred, err := r.credential(ctx, protocol.Query{ServerURL: uri})
		if err != nil {
			return nil, bazelError{err}
		}
		return bazel.AppendAnswer(nil, cred)
	}
	q, err := protocol.ParseQuery(payload)
	if err != nil {
		return nil, err
	}
	cred, err := r.credential(ctx, q)
	if err != nil {
		return nil, err
	}
	return answer(cred)
}

// list asks for one credential and answers with its kind for every server, so
// that it never promises what get would not give. No credential is no error
// here, as with docker's helpers.
func (r *run) list(ctx context.Context) ([]byte, error) {
	list := make(map[string]string)
	cred, err := r.credential(ctx, protocol.Query{ServerURL: protocol.DefaultServer})
	if code := codeOf(err); err != nil && code != protocol.CodeNotFound {
		return nil, err
	}
	if err == nil {
		for _, server := range r.servers.List() {
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
	if !r.servers.Match(login.ServerURL) {
		return protocol.Errorf(protocol.CodeDenied,
			"only a login for fal.ai can be stored here\nconfigure this helper for fal.run in credHelpers, not as credsStore")
	}
	// A store makes the login: nothing has to be there before.
	anywhere := func(string) bool { return true }
	return r.withDaemon(ctx, anywhere, func(ctx context.Context) error { return r.client.Store(ctx, login) })
}

// erase logs out for fal's own hosts only. For any other there is nothing
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
	if !r.servers.IsFal(q.ServerURL) {
		return helper.ErrForeign
	}
	return r.withDaemon(ctx, r.hasLogin, func(ctx context.Context) error {
		_, err := r.client.Erase(ctx, q)
		return err
	})
}

// print is header and token.
func (r *run) print(ctx context.Context, verb string, args []string) ([]byte, error) {
	q, asJSON, err := r.wanted(verb, args)
	if err != nil {
		return nil, err
	}
	cred, err := r.credential(ctx, q)
	if err != nil {
		return nil, err
	}
	if asJSON {
		return answer(cred)
	}
	if verb == "token" {
		if q.Team != nil && len(cred.Headers) > 0 {
			fmt.Fprintf(r.stderr, "the token alone says nothing of team %s: header prints what goes with it, and --json\n", protocol.Printable(*q.Team))
		}
		return []byte(cred.Secret + "\n"), nil
	}
	out := []byte("Authorization: " + cred.Authorization() + "\n")
	for _, name := range slices.Sorted(maps.Keys(cred.Headers)) {
		out = append(out, name+": "+cred.Headers[name]+"\n"...)
	}
	return out, nil
}

// payload is standard input without the white space around it. An object may
// stand on several lines; anything else may not: docker's helpers join the lines,
// which turns two harmless ones into a foreign host.
func (r *run) payload() (string, error) {
	in, err := io.ReadAll(io.LimitReader(r.stdin, protocol.MaxLine+1))
	if err != nil {
		return "", protocol.Errorf(protocol.CodeBadRequest, "standard input cannot be read: %v", reason(err))
	}
	if len(in) > protocol.MaxLine {
		return "", protocol.Errorf(protocol.CodeBadRequest, "standard input is longer than 64 KiB")
	}
	return strings.TrimSpace(string(in)), nil
}

// reason is an error of the system's in its own words, without call and path.
func reason(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// answer allocates once: most answers are a token of a few KiB.
func answer(v any) ([]byte, error) {
	return protocol.AppendAnswer(make([]byte, 0, 4<<10), v)
}
