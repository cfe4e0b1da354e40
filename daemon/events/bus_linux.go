package events

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/peer"
	"github.com/falcred/falcred/protocol/strict"
	"github.com/godbus/dbus/v5"
)

// What shows notifications, by the Desktop Notifications Specification.
const (
	notifications     = "org.freedesktop.Notifications"
	notificationsPath = "/org/freedesktop/Notifications"
)

// Hints of that specification. There is none that names a .desktop file: GNOME Shell would
// take the notification away with our connection.
var noticeHints = map[string]dbus.Variant{
	"urgency":  dbus.MakeVariant(byte(1)), // normal
	"category": dbus.MakeVariant("x-falcred.login"),
}

// noticeIcon is of the Icon Naming Specification.
const noticeIcon = "dialog-password"

// noticeExpires leaves to the user's settings how long it is seen.
const noticeExpires = int32(-1)

// bus is a connection to the session's bus.
type bus struct{ *dbus.Conn }

// dialBus connects to the session's bus, if there is one and it is ours. No bus is ever started
// for it. ctx bounds all that is done with it.
func dialBus(ctx context.Context) (*bus, error) {
	address, err := busAddress(os.Getenv("DBUS_SESSION_BUS_ADDRESS"), env.RuntimeDir(os.LookupEnv))
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(address, "@") {
		if err := ourSocket(address); err != nil {
			return nil, err
		}
	}
	stream, err := new(net.Dialer).DialContext(ctx, "unix", address)
	if err != nil {
		return nil, err
	}
	uid, err := peer.UID(stream.(*net.UnixConn))
	if err == nil && uid != os.Geteuid() {
		err = fmt.Errorf("the bus at %s is of the user %d", address, uid)
	}
	if err != nil {
		stream.Close()
		return nil, err
	}
	conn, err := dbus.NewConn(stream, dbus.WithContext(ctx)) // which closes it
	if err != nil {
		stream.Close()
		return nil, err
	}
	if err = conn.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))}); err == nil {
		err = conn.Hello()
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &bus{conn}, nil
}

// busAddress is the path of the session bus's socket, or its abstract name behind an @: what
// the environment says, else the socket in the user's runtime folder. Of a bus that is
// reached otherwise the user on its other end cannot be known, and autolaunch: starts one.
func busAddress(said, runtimeFolder string) (string, error) {
	if said == "" && runtimeFolder == "" {
		return "", errors.New("no session bus is known")
	}
	if said == "" {
		return filepath.Join(runtimeFolder, "bus"), nil
	}
	for one := range strings.SplitSeq(said, ";") {
		list, unix := strings.CutPrefix(one, "unix:")
		if !unix {
			continue
		}
		for pair := range strings.SplitSeq(list, ",") {
			key, value, _ := strings.Cut(pair, "=")
			value, err := url.PathUnescape(value)
			switch {
			case err != nil || value == "" || strings.ContainsRune(value, 0):
			case key == "path" && filepath.IsAbs(value):
				return value, nil
			case key == "abstract":
				return "@" + value, nil
			case key == "runtime" && runtimeFolder != "":
				return filepath.Join(runtimeFolder, "bus"), nil
			}
		}
	}
	return "", errors.New("DBUS_SESSION_BUS_ADDRESS names no Unix socket")
}

// ourSocket is nil for a socket of ours: nothing is asked of another one.
func ourSocket(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("%s is no socket", path)
	case !strict.Ours(info):
		return fmt.Errorf("the bus at %s belongs to another user", path)
	}
	return nil
}

// show has a notification shown, in the place of the one before where that can still be there.
func (b *bus) show(ctx context.Context, before notice, text string) (notice, error) {
	var replaces uint32
	if server, err := b.server(ctx); err == nil && server == before.Server {
		replaces = before.ID
	}
	var shown notice
	err := b.Object(notifications, notificationsPath).CallWithContext(ctx, notifications+".Notify", 0,
		"falcred", replaces, noticeIcon, noticeTitle, text, []string{}, noticeHints, noticeExpires).Store(&shown.ID)
	if err != nil {
		return notice{}, err
	}
	shown.Server, err = b.server(ctx)
	return shown, err
}

// takeBack closes a notification that is still shown.
func (b *bus) takeBack(ctx context.Context, shown notice) error {
	if server, err := b.server(ctx); err != nil || server != shown.Server {
		return err
	}
	return b.Object(notifications, notificationsPath).CallWithContext(ctx, notifications+".CloseNotification", dbus.FlagNoAutoStart, shown.ID).Err
}

// server names the program that shows notifications: the bus, and its name there. An error is
// that there is none yet.
func (b *bus) server(ctx context.Context) (string, error) {
	var id, owner string
	if err := b.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetId", 0).Store(&id); err != nil {
		return "", err
	}
	err := b.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, notifications).Store(&owner)
	return id + " " + owner, err
}
