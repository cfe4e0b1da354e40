package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/falcred/falcred/protocol"
)

// Journal is a [slog.Handler] for systemd's journal: each record has its priority, and each attribute
// is a field of its own, FALCRED_ and its name, besides being in the text, which people read. The time
// is the journal's own. Send takes one line of text and fields of one line; concurrent use is its matter.
type Journal struct {
	Level slog.Leveler
	Send  func(text string, p journal.Priority, fields map[string]string) error

	attrs  []slog.Attr
	groups string
}

// ToJournal is a handler for a program whose standard error is the journal; false where it is not.
func ToJournal(level slog.Leveler) (Journal, bool) {
	there, err := journal.StderrIsJournalStream()
	return Journal{Level: level, Send: (&journalSocket{path: "/run/systemd/journal/socket", instead: os.Stderr}).send}, there && err == nil
}

// journalSocket speaks the journal's own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL) over a socket
// that is connected: [journal.Send] has one that is not, and spins for as long as the journal's queue is
// full. What cannot be sent within a second is written instead, with its priority (sd-daemon(3)).
type journalSocket struct {
	path    string
	instead io.Writer

	mu   sync.Mutex
	conn *net.UnixConn
}

func (j *journalSocket) send(text string, p journal.Priority, fields map[string]string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	var record strings.Builder
	fmt.Fprintf(&record, "MESSAGE=%s\nPRIORITY=%d\n", text, p)
	for name, value := range fields {
		fmt.Fprintf(&record, "%s=%s\n", name, value)
	}
	for range 2 { // the journal may have been started anew
		if j.conn == nil {
			conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: j.path, Net: "unixgram"})
			if err != nil {
				break
			}
			j.conn = conn
		}
		j.conn.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := j.conn.Write([]byte(record.String())); err == nil {
			return nil
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		j.conn.Close()
		j.conn = nil
	}
	_, err := fmt.Fprintf(j.instead, "<%d>%s\n", p, text)
	return err
}

// Enabled says whether a record of that level is logged.
func (j Journal) Enabled(_ context.Context, level slog.Level) bool { return level >= j.Level.Level() }

// Handle sends a record.
func (j Journal) Handle(_ context.Context, r slog.Record) error {
	all := j.attrs
	r.Attrs(func(a slog.Attr) bool {
		all = append(all[:len(all):len(all)], slog.Attr{Key: j.groups + a.Key, Value: a.Value})
		return true
	})
	fields := map[string]string{"SYSLOG_IDENTIFIER": "falcred"}
	for _, a := range all {
		fields[fieldName(a.Key)] = describe(a.Value)
	}
	return j.Send(oneLine(inWords(r.Message, all)), priority(r.Level), fields)
}

// WithAttrs is a handler whose records have these too.
func (j Journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		j.attrs = append(j.attrs[:len(j.attrs):len(j.attrs)], slog.Attr{Key: j.groups + a.Key, Value: a.Value})
	}
	return j
}

// WithGroup is a handler whose attributes have a name before theirs.
func (j Journal) WithGroup(name string) slog.Handler {
	j.groups += name + "."
	return j
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// fieldName is an attribute's in the journal: capitals, digits and underscores.
func fieldName(key string) string {
	return "FALCRED_" + strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, key)
}

// inWords is a record as one line: what happened, its cause, and the rest in brackets.
func inWords(text string, attrs []slog.Attr) string {
	var rest []string
	for _, a := range attrs {
		switch a.Key {
		case "event": // the text says that
		case "cause":
			text += ": " + describe(a.Value)
		default:
			value := describe(a.Value)
			if a.Value.Kind() == slog.KindTime {
				value = a.Value.Time().Format("2006-01-02T15:04Z07:00") // to the minute: people read it
			}
			rest = append(rest, a.Key+" "+value)
		}
	}
	if len(rest) > 0 {
		text += " (" + strings.Join(rest, ", ") + ")"
	}
	return text
}

// describe is a value on one line, with nothing that a terminal would obey: an account is its issuer's word.
func describe(v slog.Value) string {
	text := v.Resolve().String()
	if v.Kind() == slog.KindTime {
		text = v.Time().Format(time.RFC3339)
	}
	return oneLine(text)
}

// oneLine is a text without what would end a field of the journal, which drops the whole record then.
func oneLine(text string) string { return protocol.Printable(strings.ReplaceAll(text, "\n", "; ")) }
