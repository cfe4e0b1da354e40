package ui

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A line is broken between words, a path behind a slash; what colours a text takes no room.
func TestWrap(t *testing.T) {
	for _, tt := range []struct {
		text  string
		cells int
		want  []string
	}{
		{"", 20, []string{""}},
		{"one two three", 20, []string{"one two three"}},
		{"one two three", 9, []string{"one two", "three"}},
		{"in /home/ada/a-long-folder/deep here", 16, []string{"in", "/home/ada/", "a-long-folder/", "deep", "here"}},
		{"abcdefghijklm", 8, []string{"abcdefgh", "ijklm"}},
		{"\x1b[32mone two\x1b[0m three", 9, []string{"\x1b[32mone two\x1b[0m", "three"}},
		{"\x1b[32mabcdefghi\x1b[0m", 9, []string{"\x1b[32mabcdefghi\x1b[0m"}},
		{"\x1b[32mabcdefghij\x1b[0m", 9, []string{"\x1b[32mabcdefghi", "j\x1b[0m"}},
		{"名前は名前です", 8, []string{"名前は名", "前です"}},
		{"one two three", 3, []string{"one two three"}},
	} {
		got := Wrap(tt.text, tt.cells)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%q in %d cells: %q, not %q", tt.text, tt.cells, got, tt.want)
		}
	}
}

func TestTilde(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("HOME", folder)
	t.Setenv("USERPROFILE", folder)
	below := filepath.Join(folder, ".fal")
	home := "~" + string(os.PathSeparator) + ".fal"
	for text, want := range map[string]string{
		below: home, "chmod 700 " + below + " " + below: "chmod 700 " + home + " " + home,
		folder + "x": folder + "x", "/srv" + below: "/srv" + below, "": "",
	} {
		if got := Tilde(text); got != want {
			t.Errorf("%s is %s, not %s", text, got, want)
		}
	}
}

// What a person reads fits the screen.
func TestFold(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "one": "one", "one two": "one two", "one two three": "one two\nthree", "longer-than-that it is": "longer-than-that\nit is", "äää öö üü": "äää öö\nüü", "a  b": "a  b",
	} {
		if got := Fold(text, 7); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}
