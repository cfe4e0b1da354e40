package login

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/falcred/falcred/daemon/idp"
	"github.com/falcred/falcred/daemon/journal"
	"github.com/falcred/falcred/daemon/testkit"
	"github.com/falcred/falcred/daemon/tokenfile"
)

func init() { roles["owner"] = playOwner }

// playOwner is a daemon without a socket, until it is killed.
func playOwner() error {
	cfg := Config{Home: os.Getenv("FALCRED_TEST_HOME"), Issuer: os.Getenv("FALCRED_TEST_ISSUER"), ClientID: "test-client", Servers: testkit.FalServers()}
	m, err := Open(context.Background(), cfg, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	m.Run(make(chan struct{}))
	return nil
}

// victim is a home, the issuer of its login, and the owners that are killed there.
type victim struct {
	*testing.T
	idp  *idp.Server
	file tokenfile.File
}

func (v *victim) owner() *exec.Cmd {
	v.Helper()
	cmd := testkit.Role("owner", "FALCRED_TEST_HOME="+filepath.Dir(v.file.Path), "FALCRED_TEST_ISSUER="+v.idp.URL)
	cmd.Stderr = v.Output()
	return testkit.Start(v, cmd)
}

// expire writes a login that has run out, as the SDK does.
func (v *victim) expire(refresh string) {
	v.Helper()
	access := v.idp.Mint("ann", time.Now().Add(-3*time.Hour), 2*time.Hour)
	testkit.Must(v, os.WriteFile(v.file.Path, []byte(strings.Join([]string{refresh, access}, "\n")), 0o600))
}

// settled says whether the file holds a login that the issuer knows and nobody has to refresh,
// and no rotation is left to be settled.
func (v *victim) settled() bool {
	r := v.file.Read()
	return r.State == tokenfile.Holds && v.idp.Alive(r.Pair.Refresh) && tokenfile.Dated(r.Pair, time.Now()).Fresh(time.Now()) &&
		len(journal.Others(v.file.Path, "")) == 0
}

// R4, S5: kill -9 in the middle of a rotation: before the issuer has committed it, after that and
// before its answer, and at some moment after the answer. With an overlap no login is lost.
func TestKilledInTheMiddle_R4S5(t *testing.T) {
	p, err := idp.Start(idp.Config{Overlap: time.Hour})
	testkit.Must(t, err)
	defer p.Close()
	v := &victim{T: t, idp: p, file: tokenfile.In(t.TempDir(), nil)}
	refresh, _, _ := p.Login("ann")
	v.expire(refresh)
	const kills = 20
	left := 0
	for kill := range kills {
		if kill > 0 {
			v.expire(v.file.Read().Pair.Refresh)
		}
		hold := idp.NewHold()
		if kill%3 == 0 {
			p.Inject(hold.Before())
		} else {
			p.Inject(hold.After())
		}
		first := v.owner()
		select {
		case <-hold.Arrived:
		case <-time.After(testkit.Patience):
			t.Fatalf("kill %d: no request comes", kill)
		}
		if kill%3 == 2 {
			close(hold.Release)
			time.Sleep(rand.N(20 * time.Millisecond)) // the moment is what is random here; nothing waits for it
		}
		testkit.Must(t, first.Process.Kill())
		first.Wait()
		if kill%3 != 2 {
			close(hold.Release)
		}
		left += len(journal.Others(v.file.Path, ""))
		next := v.owner()
		testkit.Eventually(t, "the next owner settles it", v.settled)
		next.Process.Kill()
		next.Wait()
	}
	if n := p.Stats().ReuseDetections; n != 0 || left < kills/2 {
		t.Errorf("%d reuse detections; %d of %d kills left a rotation to be settled", n, left, kills)
	}
	t.Logf("| %d times kill -9 in a rotation, with an overlap | %d left one to be settled; %d logins lost |", kills, left, p.Stats().ReuseDetections)
}
