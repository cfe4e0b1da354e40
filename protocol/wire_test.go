package protocol

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLineTakesLFAndCRLF_Section4(t *testing.T) {
	r := NewReader(iotest.OneByteReader(strings.NewReader("get x\nlist\r\n\n\r\ncut off")))
	for _, want := range []string{"get x", "list", "", ""} {
		if got, err := r.ReadLine(); err != nil || got != want {
			t.Fatalf("ReadLine() = %q, %v, want %q", got, err, want)
		}
	}
	if got, err := r.ReadLine(); got != "" || err != io.ErrUnexpectedEOF {
		t.Fatalf("half a line: %q, %v", got, err)
	}
	if _, err := NewReader(strings.NewReader("")).ReadLine(); err != io.EOF {
		t.Fatalf("nothing: %v", err)
	}
}

func TestReadLineEndsAt64KiB_Section4(t *testing.T) {
	longest := strings.Repeat("a", MaxLine-1)
	for _, newReader := range []func(io.Reader) *Reader{NewReader, newRequestReader} {
		if got, err := newReader(strings.NewReader(longest + "\n")).ReadLine(); err != nil || got != longest {
			t.Fatalf("a line of 64 KiB: %d bytes, %v", len(got), err)
		}
		_, err := newReader(strings.NewReader(longest + "a\n")).ReadLine()
		var e *Error
		if !errors.Is(err, ErrTooLong) || !errors.As(err, &e) || e.Code != CodeBadRequest {
			t.Fatalf("one byte more: %v", err)
		}
	}
	if errors.Is(Errorf(CodeBadRequest, "another"), ErrTooLong) {
		t.Fatal("every bad_request is ErrTooLong")
	}
}

// A line that came before costs no string, and any other line comes as it is.
func TestTheSameLineAgain(t *testing.T) {
	const first = "get https://fal.run"
	for _, line := range []string{first, "get https://fal.ru", first + "/", "list", ""} {
		for _, end := range []string{"\n", "\r\n"} {
			r := newRequestReader(strings.NewReader(first + "\n" + line + end))
			if _, err := r.ReadLine(); err != nil {
				t.Fatal(err)
			}
			if got, err := r.ReadLine(); err != nil || got != line {
				t.Errorf("%q came as %q, %v", line, got, err)
			}
		}
	}
	in := strings.NewReader("")
	r := newRequestReader(in)
	allocs := testing.AllocsPerRun(100, func() {
		in.Reset(first + "\n")
		if _, err := r.ReadLine(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// A client that never sends an LF must not be read for ever.
func TestReadLineDoesNotWaitForTheEndOfALineThatIsTooLong_Section4(t *testing.T) {
	endless := io.MultiReader(strings.NewReader(strings.Repeat("a", MaxLine)), neverReader{t})
	if _, err := NewReader(endless).ReadLine(); !errors.Is(err, ErrTooLong) {
		t.Fatal(err)
	}
}

type neverReader struct{ t *testing.T }

func (r neverReader) Read([]byte) (int, error) {
	r.t.Error("read on after 64 KiB")
	return 0, io.EOF
}

func TestFillReturnsAtTheFirstByteAndBufferedSeesTheRest_Section4(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	r := NewReader(server)
	if r.Buffered() {
		t.Fatal("something is buffered before the first byte")
	}
	go func() {
		io.WriteString(client, "list\nstatus\n")
		client.Close()
	}()
	if err := r.Fill(); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"list", "status"} {
		got, err := r.ReadLine()
		if err != nil || got != want || r.Buffered() != (i == 0) {
			t.Fatalf("%q, %v, buffered %t", got, err, r.Buffered())
		}
	}
	if err := r.Fill(); err != io.EOF {
		t.Fatalf("after hanging up: %v", err)
	}
}

func TestRequestRefusesControlBytesAtBothEnds_Section4(t *testing.T) {
	var bad []string
	for c := range 0x20 {
		bad = append(bad, "https://fal.run"+string(rune(c))+"get x")
	}
	bad = append(bad, "x\x7f", "\xff", "a\xc3", "x\r\nerase fal.run")
	for _, payload := range bad {
		if _, err := ParseRequest("get " + payload); AsError(err) == nil || AsError(err).Code != CodeBadRequest {
			t.Errorf("ParseRequest lets %q through: %v", payload, err)
		}
		line, err := Request{Verb: "get", Payload: payload}.Append([]byte("before"))
		if AsError(err) == nil || AsError(err).Code != CodeBadRequest || string(line) != "before" {
			t.Errorf("Append lets %q through: %q, %v", payload, line, err)
		}
	}
}

func TestRequestForm_Section4(t *testing.T) {
	for line, want := range map[string]Request{
		"get https://fal.run": {Verb: "get", Payload: "https://fal.run"}, "list": {Verb: "list"}, "list ": {Verb: "list"},
		"get  a b  ": {Verb: "get", Payload: "a b"}, "frobnicate": {Verb: "frobnicate"}, "get-2 é": {Verb: "get-2", Payload: "é"},
	} {
		if got, err := ParseRequest(line); err != nil || got != want {
			t.Errorf("ParseRequest(%q) = %s, %v", line, got, err)
		}
	}
	for _, line := range []string{"", " ", " get", "GET x", "get\tx", "9", "-", "gét", "{}", strings.Repeat("a", 33)} {
		if _, err := ParseRequest(line); AsError(err) == nil || AsError(err).Code != CodeBadRequest {
			t.Errorf("ParseRequest(%q): %v", line, err)
		}
		if verb, _, _ := strings.Cut(line, " "); verb == line {
			if _, err := (Request{Verb: verb}).Append(nil); err == nil {
				t.Errorf("Append(%q) makes a request", verb)
			}
		}
	}
}

func TestAppendKeepsTo64KiB_Section4(t *testing.T) {
	fits := MaxLine - len("get \n")
	line, err := Request{Verb: "get", Payload: strings.Repeat("a", fits)}.Append(nil)
	if err != nil || len(line) != MaxLine {
		t.Fatalf("%d bytes, %v", len(line), err)
	}
	if _, err := (Request{Verb: "get", Payload: strings.Repeat("a", fits+1)}).Append(nil); !errors.Is(err, ErrTooLong) {
		t.Fatal(err)
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, s := range []string{"get https://fal.run", "list", "", " ", "get x\nlist", "store {\"Secret\":\"x\"}", "get \x00", "get \xff", "a  b "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := ParseRequest(line)
		if err != nil {
			if AsError(err).Code != CodeBadRequest {
				t.Fatalf("%q: %v", line, err)
			}
			return
		}
		out, err := r.Append(nil)
		if errors.Is(err, ErrTooLong) && len(line) >= MaxLine {
			return
		}
		if err != nil || bytes.Count(out, []byte("\n")) != 1 || out[len(out)-1] != '\n' {
			t.Fatalf("%q became %q, %v", line, out, err)
		}
		again, err := ParseRequest(string(out[:len(out)-1]))
		if err != nil || again != r {
			t.Fatalf("%q reads back as %q %q", line, again.Verb, again.Payload)
		}
	})
}

// However the bytes arrive, and whatever the buffer, the lines are those of
// [bytes.Cut].
func FuzzReadLine(f *testing.F) {
	f.Add([]byte("get x\r\nlist\n\nhalf"))
	f.Add(bytes.Repeat([]byte("a"), 5000))
	f.Add(bytes.Repeat([]byte("get https://fal.run/some/path\r\n"), 100))
	f.Add(append(bytes.Repeat([]byte("a"), MaxLine-1), "\nlist\n"...))
	f.Add(append(bytes.Repeat([]byte("a"), MaxLine), "\nlist\n"...))
	f.Fuzz(func(t *testing.T, in []byte) {
		want := linesOf(in)
		for i, r := range []*Reader{
			NewReader(bytes.NewReader(in)), newRequestReader(bytes.NewReader(in)),
			newRequestReader(iotest.HalfReader(bytes.NewReader(in))), newRequestReader(iotest.OneByteReader(bytes.NewReader(in))),
		} {
			if got := readAll(t, r); !slices.Equal(got, want) {
				t.Fatalf("reader %d: %d lines, or others, not %d", i, len(got), len(want))
			}
		}
	})
}

// linesOf is §4's framing, word for word.
func linesOf(in []byte) (lines []string) {
	for {
		line, rest, ended := bytes.Cut(in, []byte("\n"))
		if !ended || len(line)+1 > MaxLine {
			return lines
		}
		lines, in = append(lines, string(bytes.TrimSuffix(line, []byte("\r")))), rest
	}
}

// readAll reads as a server does.
func readAll(t *testing.T, lr *Reader) (lines []string) {
	for {
		err := lr.Fill()
		line, whole := lr.Next()
		if err == nil && !whole {
			line, err = lr.ReadLine()
		}
		if err != nil {
			if line != "" {
				t.Fatalf("an error with half a line: %q", line)
			}
			return lines
		}
		if strings.Contains(line, "\n") || len(line) >= MaxLine {
			t.Fatalf("not a line: %d bytes", len(line))
		}
		lines = append(lines, line)
	}
}

// A waiting Reader holds no more than it was given: a long line goes with its
// buffer, and the beginning of a short one moves to the front.
func TestReaderHoldsLittle(t *testing.T) {
	long, short := strings.Repeat("a", MaxLine-1), strings.Repeat("b", 100)
	r := newRequestReader(io.MultiReader(strings.NewReader(long+"\n"), strings.NewReader(strings.Repeat(short+"\n", 5))))
	if line, err := r.ReadLine(); err != nil || line != long || r.last != "" {
		t.Fatalf("%d bytes, %v; %d are kept", len(line), err, len(r.last))
	}
	for range 5 {
		if line, err := r.ReadLine(); err != nil || line != short || len(r.buf) != 256 {
			t.Fatalf("%q, %v, in a buffer of %d", line, err, len(r.buf))
		}
	}
}

func newRequestReader(src io.Reader) *Reader {
	r := NewRequestReader(src, make([]byte, 256))
	return &r
}
