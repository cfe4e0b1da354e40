package testkit

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/godbus/dbus/v5"
)

// Screen is a real desktop's parts: dbus-daemon, an X server that has no screen, and dunst, which
// shows notifications there.
type Screen struct {
	testing.TB
	frame string // where the X server keeps what can be seen
	conn  *dbus.Conn
	empty int // colours
}

// StartScreen starts them, with the bus where the session of whose runtime folder it is has its
// own.
func StartScreen(t testing.TB, runtime string) *Screen {
	t.Helper()
	address := "unix:path=" + filepath.Join(runtime, "bus")
	Start(t, exec.Command(NeedTool(t, "dbus-daemon"), "--session", "--nofork", "--address="+address))
	Eventually(t, "a bus", func() bool { return Listens(filepath.Join(runtime, "bus")) })

	folder := t.TempDir()
	server := exec.Command(NeedTool(t, "Xvfb"), "-displayfd", "1", "-screen", "0", "440x140x24", "-fbdir", folder, "-nolisten", "tcp")
	number, err := server.StdoutPipe()
	Must(t, err)
	Start(t, server)
	var display int
	_, err = fmt.Fscan(number, &display)
	Must(t, err)

	config := filepath.Join(folder, "dunstrc")
	Must(t, os.WriteFile(config, []byte("[global]\nwidth = 400\noffset = 20x20\nscale = 1\nfont = DejaVu Sans 12\nshow_age_threshold = -1\n"), 0o600))
	dunst := exec.Command(NeedTool(t, "dunst"), "-conf", config)
	dunst.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, fmt.Sprintf("DISPLAY=:%d", display), "DBUS_SESSION_BUS_ADDRESS=" + address}
	Start(t, dunst)

	conn, err := dbus.Connect(address)
	Must(t, err)
	t.Cleanup(func() { conn.Close() })
	s := &Screen{TB: t, frame: filepath.Join(folder, "Xvfb_screen0"), conn: conn}
	Eventually(t, "dunst shows notifications", func() bool { return s.shown() == 0 })
	s.empty = colours(s.Picture())
	return s
}

// Shows waits until that many notifications are shown, and none, or their letters, can be seen.
func (s *Screen) Shows(n int) {
	s.Helper()
	Eventually(s, fmt.Sprintf("%d are shown", n), func() bool {
		return s.shown() == n && (colours(s.Picture()) > s.empty+10) == (n > 0)
	})
}

func (s *Screen) shown() int {
	v, err := s.conn.Object("org.freedesktop.Notifications", "/org/freedesktop/Notifications").GetProperty("org.dunstproject.cmd0.displayedLength")
	if err != nil {
		return -1
	}
	return int(v.Value().(uint32))
}

// Picture is what can be seen: an X window dump (XWDFile.h) of 32 bits a pixel.
func (s *Screen) Picture() image.Image {
	s.Helper()
	data, err := os.ReadFile(s.frame)
	Must(s, err)
	field := func(n int) int { return int(binary.BigEndian.Uint32(data[4*n:])) }
	width, height, stride := field(4), field(5), field(12)
	pixels := data[field(0)+12*field(19):] // behind the header and the colours
	if field(1) != 7 || field(11) != 32 || field(7) != 0 || len(pixels) < height*stride {
		s.Fatalf("an X window dump of version %d, %d bits a pixel", field(1), field(11))
	}
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			p := pixels[y*stride+4*x:]
			m.Set(x, y, color.RGBA{p[2], p[1], p[0], 255})
		}
	}
	return m
}

func colours(m image.Image) int {
	seen := map[color.Color]bool{}
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			seen[m.At(x, y)] = true
		}
	}
	return len(seen)
}
