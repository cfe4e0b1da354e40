//go:build linux || darwin

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/follow"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

// F3: a socket that says something new a hundred times a second has the file written once a
// second, with the newest, and as many lines in the log.
func TestFollowHasAPace_F3(t *testing.T) {
	t.Parallel()
	home := testkit.ShortDir(t)
	file, err := follow.Open(home, func(string) {})
	testkit.Must(t, err)
	defer file.Close()
	log := &bytes.Buffer{}
	f := &follower{file: file, log: slog.New(slog.NewTextHandler(log, nil)), answers: make(chan answer)}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.keepOn(ctx) }()
	newest := ""
	begun := time.Now()
	written := map[string]bool{}
	held := func() string {
		data, _ := os.ReadFile(filepath.Join(home, env.TokenFile))
		return strings.TrimPrefix(string(data), env.Placeholder+"\n")
	}
	for i := 0; time.Since(begun) < 2500*time.Millisecond; i++ {
		newest = fmt.Sprintf("a.%d.c", i)
		cred := protocol.Credential{Username: "Bearer", Secret: protocol.Secret(newest), Expires: time.Now().Add(time.Hour)}
		f.answers <- answer{cred: cred}
		f.warn(ctx, fmt.Sprint("warning ", i), protocol.ErrNotFound)
		written[held()] = true
		<-time.After(5 * time.Millisecond)
	}
	testkit.Eventually(t, "the newest is in the file", func() bool { return held() == newest })
	most := int(time.Since(begun)/followBeat) + 2
	cancel()
	testkit.Must(t, <-ended)
	if len(written) > most+1 {
		t.Errorf("written %d times in %v", len(written), time.Since(begun))
	}
	if lines := strings.Count(log.String(), "\n"); lines > 2*most {
		t.Errorf("%d lines in the log", lines)
	}
}
