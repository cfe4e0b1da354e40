package ui

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the width of the light border, in modules: scanners need it to find the
// code (ISO/IEC 18004).
const quiet = 4

// QRFits reports whether text is short enough for a QR code that the terminal shows whole, with that
// many rows below it: half a code is none.
func (c *Console) QRFits(text string, below int) bool {
	code, err := qr.Encode(text, qr.L)
	columns, rows := c.Size()
	return err == nil && (columns == 0 || columns >= code.Size+2*quiet && rows >= (code.Size+2*quiet+1)/2+below)
}

// QR shows text as a QR code, or nothing where it is too long for one. On a terminal it
// is black on white whatever the terminal's colours are, since many scanners read no
// other; NO_COLOR is about decoration, and this is none. Elsewhere it takes for granted
// light characters on a dark ground.
func (c *Console) QR(text string) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return
	}
	// A character is two modules, one above the other: index 1 is a dark upper one, 2 a
	// dark lower one. 16 and 231 of the 256 colours are black and white in every theme.
	blocks, begin, end := []rune(" ▀▄█"), "\x1b[38;5;16;48;5;231m", "\x1b[0m"
	if !c.Live {
		blocks, begin, end = []rune("█▄▀ "), "", ""
	}
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		b.WriteString(begin)
		for x := -quiet; x < code.Size+quiet; x++ {
			i := 0
			if code.Black(x, y) {
				i = 1
			}
			if code.Black(x, y+1) {
				i += 2
			}
			b.WriteRune(blocks[i])
		}
		b.WriteString(end + "\n")
	}
	fmt.Fprint(c.Out, b.String())
}
