package testkit

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"
)

// Desktop is a session bus with a program on it that shows notifications, as much of both as
// one who shows some needs.
type Desktop struct {
	Socket string

	mu     sync.Mutex
	server int // the program is the nth one
	next   uint32
	bodies [][]any // what Notify was called with
	open   []uint32
	calls  int // of all methods
}

// StartDesktop starts one whose socket is bus in a folder.
func StartDesktop(t testing.TB, folder string) *Desktop {
	t.Helper()
	d := &Desktop{Socket: filepath.Join(folder, "bus"), next: 1}
	l, err := net.Listen("unix", d.Socket)
	Must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go d.serve(c)
		}
	}()
	return d
}

// Shown are the arguments of all calls of Notify: app, replaces, icon, title, text, actions,
// hints, and when it expires.
func (d *Desktop) Shown() [][]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.bodies)
}

// Open are the notifications that can be seen.
func (d *Desktop) Open() []uint32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.open)
}

// Calls counts those of any method.
func (d *Desktop) Calls() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// Restart has another program show notifications, which counts anew.
func (d *Desktop) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.server++
	d.next, d.open = 1, nil
}

// Other is another program's notification.
func (d *Desktop) Other() (id uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.show(0)
}

func (d *Desktop) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	if zero, err := in.ReadByte(); err != nil || zero != 0 {
		return
	}
	for authenticated := false; !authenticated; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch strings.TrimSpace(line) {
		case "AUTH":
			fmt.Fprint(c, "REJECTED EXTERNAL\r\n")
		case "AUTH EXTERNAL":
			fmt.Fprint(c, "DATA\r\n")
		case "DATA":
			fmt.Fprint(c, "OK 0123456789abcdef0123456789abcdef\r\n")
		case "BEGIN":
			authenticated = true
		default:
			fmt.Fprint(c, "ERROR\r\n")
		}
	}
	for {
		call, err := dbus.DecodeMessage(in)
		if err != nil {
			return
		}
		if d.answer(call).EncodeTo(c, binary.LittleEndian) != nil {
			return
		}
	}
}

func (d *Desktop) answer(call *dbus.Message) *dbus.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	reply := &dbus.Message{Type: dbus.TypeMethodReply, Headers: map[dbus.HeaderField]dbus.Variant{
		dbus.FieldReplySerial: dbus.MakeVariant(call.Serial()),
		dbus.FieldSender:      dbus.MakeVariant("org.freedesktop.DBus"),
	}}
	switch call.Headers[dbus.FieldMember].Value() {
	case "Hello":
		reply.Body = []any{":1.7"}
	case "GetId":
		reply.Body = []any{"fedcba9876543210fedcba9876543210"}
	case "GetNameOwner":
		reply.Body = []any{fmt.Sprintf(":1.%d", 100+d.server)}
	case "Notify":
		d.bodies = append(d.bodies, call.Body)
		reply.Body = []any{d.show(call.Body[1].(uint32))}
	case "CloseNotification":
		d.open = slices.DeleteFunc(d.open, func(id uint32) bool { return id == call.Body[0] })
	}
	if len(reply.Body) > 0 {
		reply.Headers[dbus.FieldSignature] = dbus.MakeVariant(dbus.SignatureOf(reply.Body...))
	}
	return reply
}

// show is under the mutex.
func (d *Desktop) show(replaces uint32) (id uint32) {
	if slices.Contains(d.open, replaces) {
		return replaces
	}
	id = d.next
	d.next++
	d.open = append(d.open, id)
	return id
}
