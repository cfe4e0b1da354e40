//go:build linux

// Bench measures falcred beside peers and limits that it builds and runs itself,
// in the same run: only the ratios hold on another machine. What is compared runs
// in turns, in an order that is drawn anew each time, and each figure is the median.
//
//	go run ./daemon/bench              every row
//	go run ./daemon/bench -short       one round: does each row run?
//	go run ./daemon/bench -apart       the servers in sessions of their own, as daemons are
//	go run ./daemon/bench -rows exec,warm -rounds 100 -json
//
// It fails where something cannot be run, and never because it was slow.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// rows are what is measured, in the order of the page.
var rows = []struct {
	name    string
	measure func(*lab) ([]figure, error)
}{
	{"exec", execs},
	{"warm", warm},
	{"fresh", fresh},
	{"refresh", duringRefresh},
	{"idle", idle},
	{"waiters", waiters},
	{"size", sizes},
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == clientRole {
		client(os.Args[2])
		return
	}
	var names []string
	for _, row := range rows {
		names = append(names, row.name)
	}
	only := flag.String("rows", strings.Join(names, ","), "what to measure, comma-separated")
	rounds := flag.Int("rounds", 31, "rounds of measuring")
	short := flag.Bool("short", false, "one round, with small numbers")
	apart := flag.Bool("apart", false, "run the servers in sessions of their own, as daemons are")
	asJSON := flag.Bool("json", false, "print JSON lines and not a table")
	flag.Parse()
	chosen := strings.Split(*only, ",")
	for _, name := range chosen {
		if !slices.Contains(names, name) {
			fail(fmt.Errorf("there is no row %q: there are %s", name, strings.Join(names, ", ")))
		}
	}
	if *rounds < 1 {
		fail(errors.New("-rounds is at least 1"))
	}
	if *short {
		*rounds = 1
	}
	figures, err := run(chosen, *rounds, *short, *apart)
	if err != nil {
		fail(err)
	}
	if *asJSON {
		out := json.NewEncoder(os.Stdout)
		for _, f := range figures {
			out.Encode(f)
		}
		return
	}
	printTable(os.Stdout, figures)
}

func run(chosen []string, rounds int, short, apart bool) (figures []figure, err error) {
	l, err := newLab(rounds, short, apart)
	if err != nil {
		return nil, err
	}
	defer l.close()
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		l.close()
		os.Exit(1)
	}()
	for _, row := range rows {
		if !slices.Contains(chosen, row.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s ...\n", row.name)
		more, err := row.measure(l)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.name, err)
		}
		figures = append(figures, more...)
	}
	return figures, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}
