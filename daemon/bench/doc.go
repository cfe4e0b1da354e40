// Package bench measures falcred beside peers and limits that it builds and runs itself,
// in the same run: only the ratios hold on another machine. Those that are compared take
// turns, in an order that is drawn anew in each round, and each figure is a median.
//
//	go test -run '^$' -bench . -benchtime 30x ./daemon/bench
//
// A benchmark fails where something cannot be run. A target that is missed is printed.
package bench
