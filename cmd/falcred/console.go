package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
)

// console prints a story step by step. On a terminal the line of the moment
// moves; elsewhere there are whole lines only.
type console struct {
	paint
	out  io.Writer
	live bool
}

func newConsole(out io.Writer) *console {
	return &console{paint: newPaint(out), out: out, live: isTerminal(out)}
}

func (c *console) title(number int, text string) {
	fmt.Fprintf(c.out, "\n%s\n", c.bold(fmt.Sprintf("%d. %s", number, text)))
}

func (c *console) say(format string, args ...any) {
	fmt.Fprintf(c.out, "   "+format+"\n", args...)
}

// during shows how far work has come. Nobody else prints meanwhile.
func (c *console) during(now func() string, work func() error) error {
	stop := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() { c.show(now, stop) })
	defer shown.Wait()
	defer close(stop)
	return work()
}

// patiently is during for a person, and just work for a script.
func patiently[T any](c *console, what string, work func() (T, error)) (result T, err error) {
	if !c.live {
		return work()
	}
	err = c.during(still(what), func() error {
		result, err = work()
		return err
	})
	return result, err
}

func (c *console) show(now func() string, stop <-chan struct{}) {
	frames, pace := `|/-\`, time.Second
	if c.live {
		pace = 100 * time.Millisecond
		defer fmt.Fprint(c.out, "\r\x1b[K")
	}
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if c.live {
			fmt.Fprintf(c.out, "\r\x1b[K   %c %s", frames[i%len(frames)], now())
		} else {
			c.say("... %s", now())
		}
	}
}

// endings are the signals that end falcred in order.
var endings = []os.Signal{os.Interrupt, syscall.SIGTERM}

// still is a text that does not change.
func still(text string) func() string { return func() string { return text } }
