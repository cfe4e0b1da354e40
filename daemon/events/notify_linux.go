package events

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/falcred/falcred/daemon/internal/clock"
	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/internal/task"
	"github.com/falcred/falcred/protocol"
	"github.com/falcred/falcred/protocol/env"
)

const (
	// notifyLimit bounds what is done at the bus for one notification. The bus may have to
	// start what shows it.
	notifyLimit = 10 * time.Second
	// notifyFarewell is what a notification under way gets when the daemon ends.
	notifyFarewell = time.Second
	// notifyPace is the least time from one notification to the next, however often a login
	// ends.
	notifyPace = time.Minute
	// notifyAgain is after how long the end of a login is worth a second notification: a day,
	// less what two readings of a clock may differ by.
	notifyAgain = 24*time.Hour - time.Minute
)

// What a notification says is fixed: no word of the issuer's, which could be anybody's, and
// no name. (S12)
const (
	noticeTitle = "Log in to fal again"
	noticeText  = "Programs get no token until then.\nIn a terminal: falcred login\nThe reason: falcred status"
	// noticeElsewhere is for another home than ~/.fal, which these commands would look at.
	noticeElsewhere = "Programs get no token until then.\nIn a terminal, where FAL_HOME_DIR names its home: falcred login\nThe reason: falcred status"
)

// Notifier has the user's desktop show that the login of a home has ended: once, and again
// for each day that it lasts, where login tells it so. It takes that back when there is a login
// again. Nothing is shown while somebody is [Quiet], and where there is no desktop.
//
// Each notification is a connection of its own to the session bus, which is closed at once.
// A nil Notifier shows nothing.
type Notifier struct {
	home      string
	text      string
	log       *slog.Logger
	ctx       context.Context // ends what is under way
	stop      context.CancelFunc
	remembers string        // the file that holds the notification shown; "" for none
	limit     time.Duration // notifyLimit

	shown notice    // tellAll's: what that file says, where there is none…
	last  time.Time // …and when a notification was tried last

	mu     sync.Mutex // guards what follows
	newest *Change    // what the desktop does not know yet
	idle   chan struct{}
}

// notice is a notification that was shown. It outlives the daemon: the next one shows it not
// again, replaces it, or takes it back.
type notice struct {
	Server string    // the bus and the program on it that has shown it: another counts anew
	ID     uint32    // its number there; 0 for none
	Shown  time.Time // when
	Ended  time.Time // of which login's end it tells
}

// OpenNotifier shows notifications about a home until Close. usual says that the home is where
// falcred's commands look for one.
func OpenNotifier(home string, usual bool, log *slog.Logger) *Notifier {
	n := &Notifier{home: home, text: noticeText, log: log, limit: notifyLimit}
	if !usual {
		n.text = noticeElsewhere
	}
	if folder := env.RuntimeDir(os.LookupEnv); folder != "" {
		sum := sha256.Sum256([]byte(home)) // one folder for all homes of a user
		n.remembers = filepath.Join(folder, "falcred.notified-"+hex.EncodeToString(sum[:4]))
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	return n
}

// Add has the desktop told, and never waits for it. Any goroutine may call it.
func (n *Notifier) Add(c Change) {
	if n == nil || c.State == protocol.StateUnavailable { // of a login's end that says nothing
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.newest = &c
	if n.idle == nil {
		n.idle = make(chan struct{})
		go n.tellAll(n.idle)
	}
}

// Close lets a notification that is under way be shown, for a second and no longer than last
// does. What is shown stays. Nothing may be added after it.
func (n *Notifier) Close(last context.Context) {
	if n == nil {
		return
	}
	n.mu.Lock()
	idle := n.idle
	n.mu.Unlock()
	if idle != nil {
		task.Wait(notifyFarewell, idle, last.Done())
	}
	n.stop()
}

// tellAll tells the newest change until there is none. Then it closes idle.
func (n *Notifier) tellAll(idle chan struct{}) {
	defer close(idle)
	for c := n.take(); c != nil; c = n.take() {
		before := n.recall()
		if !n.worthTelling(*c, before) {
			continue
		}
		if early := notifyPace - clock.Now().Sub(n.last); c.State == protocol.StateLoginRequired && early > 0 {
			task.Wait(early, n.ctx.Done())
			n.putBack(c)
			continue
		}
		ctx, cancel := context.WithTimeout(n.ctx, n.limit)
		if err := n.tell(ctx, *c, before); err != nil {
			n.log.Debug("the desktop was not told of the login", "state", c.State, "cause", err)
		}
		cancel()
	}
}

func (n *Notifier) take() *Change {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.newest
	if n.newest = nil; c == nil || n.ctx.Err() != nil {
		n.idle = nil
		return nil
	}
	return c
}

// putBack is for a change that has not been told, unless there is a newer one.
func (n *Notifier) putBack(c *Change) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.newest = cmp.Or(n.newest, c)
}

// worthTelling says whether there is something to take back, or an end of which nobody knows.
func (n *Notifier) worthTelling(c Change, before notice) bool {
	if c.State != protocol.StateLoginRequired {
		return before.ID != 0
	}
	age := clock.Now().Sub(before.Shown)
	known := before.ID != 0 && before.Ended.Equal(c.Ended) && 0 <= age && age < notifyAgain
	return !known && !loginWaits(n.home)
}

func (n *Notifier) tell(ctx context.Context, c Change, before notice) error {
	now := clock.Now()
	if c.State == protocol.StateLoginRequired {
		n.last = now
	} else {
		n.remember(notice{}) // the next end is a new one, whatever becomes of this
	}
	b, err := dialBus(ctx)
	if err != nil {
		return err
	}
	defer b.Close()
	if c.State != protocol.StateLoginRequired {
		return b.takeBack(ctx, before)
	}
	shown, err := b.show(ctx, before, n.text)
	if err != nil {
		return err
	}
	shown.Shown, shown.Ended = now.UTC(), c.Ended
	n.remember(shown)
	n.log.Info("the desktop was told that the login has ended")
	return nil
}

// recall is the notification that was shown last and not taken back.
func (n *Notifier) recall() notice {
	if n.remembers == "" {
		return n.shown
	}
	var written notice
	data, err := fsx.Read(n.remembers, fsx.MaxSmall)
	if err != nil || json.Unmarshal(data, &written) != nil {
		return n.shown
	}
	return written
}

func (n *Notifier) remember(shown notice) {
	n.shown = shown
	switch {
	case n.remembers == "":
		return
	case shown.ID == 0:
		os.Remove(n.remembers)
		return
	}
	data, err := json.Marshal(shown)
	if err == nil {
		err = fsx.WriteRename(n.remembers, data)
	}
	if err != nil {
		n.log.Debug("the next daemon will not know of the notification", "cause", err)
	}
}
