package ui

import (
	"bytes"
	"strings"
	"testing"

	"rsc.io/qr"
)

// What is on the screen is the code, with the border that scanners need, and dark on light
// whatever the terminal's colours are.
func TestQR(t *testing.T) {
	const text = "https://auth.fal.ai/activate?user_code=ABCD-EFGH"
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "\x1b[38;5;16;48;5;231m", "\x1b[0m"
	for _, live := range []bool{true, false} {
		var out bytes.Buffer
		(&Console{Out: &out, Live: live}).QR(text)
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if want := (code.Size + 9) / 2; len(lines) != want {
			t.Fatalf("live %v: %d lines, want %d", live, len(lines), want)
		}
		for i, line := range lines {
			if live {
				var begins, ends bool
				if line, begins = strings.CutPrefix(line, begin); begins {
					line, ends = strings.CutSuffix(line, end)
				}
				if !begins || !ends {
					t.Fatalf("a line leaves the colours to the terminal: %q", lines[i])
				}
			}
			cells := []rune(line)
			if len(cells) != code.Size+8 {
				t.Fatalf("live %v: line %d has %d cells, want %d", live, i, len(cells), code.Size+8)
			}
			for x, cell := range cells {
				upper, lower := cell == '▀' || cell == '█', cell == '▄' || cell == '█' // what the character fills
				for y, filled := range []bool{upper, lower} {
					// Filled is dark in our own colours, and light on a dark terminal.
					if dark := filled == live; dark != code.Black(x-4, 2*i+y-4) {
						t.Fatalf("live %v: the module at %d, %d is wrong", live, x-4, 2*i+y-4)
					}
				}
			}
		}
	}
	var out bytes.Buffer
	(&Console{Out: &out}).QR(strings.Repeat("x", 3000))
	if out.Len() != 0 {
		t.Error("a text that fits no code was shown")
	}
}
