// Package ui is what falcred's commands print with: colours and a line that moves
// where there is a terminal, whole lines elsewhere, names and values in columns,
// times as people read them, and others' texts without what commands a
// terminal. Nothing here knows what a login is.
package ui

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Console prints a story step by step. On a terminal the line of the moment
// moves; elsewhere there are whole lines only.
type Console struct {
	Paint
	Out  io.Writer
	Live bool // a terminal: a line may be written over
}

// NewConsole prints to out, in colour and live if that is a terminal.
func NewConsole(out io.Writer) *Console {
	return &Console{Paint: NewPaint(out), Out: out, Live: IsTerminal(out)}
}

// Title begins a step.
func (c *Console) Title(number int, text string) {
	fmt.Fprintf(c.Out, "\n%s\n", c.Bold(fmt.Sprintf("%d. %s", number, text)))
}

// Say prints a line of a step.
func (c *Console) Say(format string, args ...any) {
	fmt.Fprintf(c.Out, "   "+format+"\n", args...)
}

// During does the work, and shows how far it has come: now is asked again and again,
// from another goroutine. Nobody else prints meanwhile.
func (c *Console) During(now func() string, work func() error) error {
	stop := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() { c.show(now, stop) })
	defer shown.Wait()
	defer close(stop)
	return work()
}

// Patiently is During for a person, and just work for a script.
func Patiently[T any](c *Console, what string, work func() (T, error)) (result T, err error) {
	if !c.Live {
		return work()
	}
	err = c.During(Still(what), func() error {
		result, err = work()
		return err
	})
	return result, err
}

func (c *Console) show(now func() string, stop <-chan struct{}) {
	frames, pace, drawn := `|/-\`, time.Second, 0
	if c.Live {
		pace = 100 * time.Millisecond
		defer func() { c.over("", drawn) }()
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if c.Live {
			drawn = c.over(fmt.Sprintf("%c %s", frames[i%len(frames)], now()), drawn)
		} else {
			c.Say("... %s", now())
		}
	}
}

// over writes text in the place of the line of the moment, which has drawn characters, and returns
// how many there are now. What is too long for the terminal is cut: a line that wraps cannot be
// written over. Where the terminal has become narrower than the line, most have wrapped it: its
// beginning is some rows above. Others have not, and lose as many rows there: where the terminal
// has more than half its width, that is the empty one above the line.
func (c *Console) over(text string, drawn int) int {
	columns, _ := c.Size()
	begin, shown := "\r\x1b[K", []rune(text)
	if columns > 0 && drawn > columns {
		begin += fmt.Sprintf("\x1b[%dA\r\x1b[J\n", (drawn-1)/columns)
	}
	if columns > 0 && len(shown) >= columns {
		shown = shown[:columns-1]
	}
	fmt.Fprint(c.Out, begin+string(shown))
	return len(shown)
}

// Wrap breaks a text between its words where the terminal would break it within one. Elsewhere a
// text stays one line.
func (c *Console) Wrap(text string) string {
	columns, _ := c.Size()
	if columns == 0 {
		return text
	}
	return Fold(text, columns)
}

// Still is a text that does not change.
func Still(text string) func() string { return func() string { return text } }
