//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

var getRequest = []byte("get https://fal.run\n")

// arena is the servers that are compared, each alone with the client on one core:
// with more than one, what is measured is where the scheduler puts them.
type arena struct {
	*lab
	falcred, echo, agent string // sockets
	started              []*exec.Cmd
}

func (l *lab) arena() (a *arena, err error) {
	a = &arena{lab: l}
	daemon, socket, err := l.falcred(true)
	if err != nil {
		return nil, err
	}
	a.falcred, a.started = socket, append(a.started, daemon)
	echo, socket, err := l.echo(a.falcred, true)
	if err != nil {
		return nil, err
	}
	a.echo, a.started = socket, append(a.started, echo)
	agent, socket, err := l.sshAgent()
	if err != nil {
		fmt.Fprintln(os.Stderr, "not run: ssh-agent:", err)
		return a, nil
	}
	a.agent, a.started = socket, append(a.started, agent)
	return a, nil
}

func (a *arena) end() {
	for _, cmd := range a.started {
		a.lab.end(cmd)
	}
}

// sshAgent has one key; a request is for the list of them.
func (l *lab) sshAgent() (cmd *exec.Cmd, socket string, err error) {
	socket = filepath.Join(l.dir, "agent.sock")
	os.Remove(socket)
	key := filepath.Join(l.dir, "key")
	os.Remove(key)
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key).CombinedOutput(); err != nil { // #nosec G204 -- a path of ours
		return nil, "", fmt.Errorf("%w: %s", err, out)
	}
	cmd = exec.Command("ssh-agent", "-D", "-a", socket) // #nosec G204 -- a path of ours
	if err := l.serve(cmd, socket, true); err != nil {
		return nil, "", err
	}
	add := exec.Command("ssh-add", "-q", key) // #nosec G204 -- a path of ours
	add.Env = append(l.env(), "SSH_AUTH_SOCK="+socket)
	if out, err := add.CombinedOutput(); err != nil {
		l.end(cmd)
		return nil, "", fmt.Errorf("%w: %s", err, out)
	}
	return cmd, socket, nil
}

const (
	falcred  = "falcred"
	echo     = "a bare Go echo"
	sshAgent = "ssh-agent"
)

// inTurns has clients do a job, one after the other, and gives the median of what is
// taken of all turns. In each client the servers have their turns close to each
// other, so that they meet the same machine: its other work comes and goes.
func (a *arena) inTurns(j job, take func(result) float64) (map[string]float64, error) {
	j.Turns = turnsPerClient
	j.Targets = []target{
		{Name: falcred, Socket: a.falcred, Request: getRequest},
		{Name: echo, Socket: a.echo, Request: getRequest},
	}
	if a.agent != "" && !j.Fresh && j.Conns <= 64 { // its queue is short
		j.Targets = append(j.Targets, target{Name: sshAgent, Socket: a.agent, Request: []byte{0, 0, 0, 1, 11}, Framed: true}) // SSH_AGENTC_REQUEST_IDENTITIES
	}
	all := map[string][]float64{}
	for range a.rounds {
		of, err := a.measure(j)
		if err != nil {
			return nil, err
		}
		for name, results := range of {
			for _, r := range results {
				all[name] = append(all[name], take(r))
			}
		}
	}
	return medians(all), nil
}

// turnsPerClient is how many of each server a client has.
const turnsPerClient = 4

func p50(r result) float64  { return r.P50 }
func rate(r result) float64 { return r.Rate / 1e3 }

// warm measures connections that stay.
func warm(l *lab) (figures []figure, err error) {
	a, err := l.arena()
	if err != nil {
		return nil, err
	}
	defer a.end()
	one, err := a.inTurns(job{Conns: 1, Total: l.few(5_000)}, p50)
	if err != nil {
		return nil, err
	}
	const what = "a get on a connection that stays, p50"
	figures = append(figures, atMost(figure{What: what, Value: one[falcred], Unit: "µs", Peer: echo, Than: one[echo]}, 1.05))
	if a.agent != "" {
		figures = append(figures, atMost(figure{What: what, Value: one[falcred], Unit: "µs", Peer: sshAgent, Than: one[sshAgent]}, 0.75))
	}
	rates := map[int]float64{}
	for _, conns := range []int{1, 64, 1000} {
		at, err := a.inTurns(job{Conns: conns, Total: l.few(10_000)}, rate)
		if err != nil {
			return nil, err
		}
		rates[conns] = at[falcred]
		if conns == 1 {
			continue // only to see the growth
		}
		what := fmt.Sprintf("gets of %d connections at once", conns)
		figures = append(figures, atLeast(figure{What: what, Value: at[falcred], Unit: "k/s", Peer: echo, Than: at[echo]}, 0.95))
		if conns == 64 && a.agent != "" {
			figures = append(figures, atLeast(figure{What: what, Value: at[falcred], Unit: "k/s", Peer: sshAgent, Than: at[sshAgent]}, 1.5))
		}
	}
	return append(figures, atMost(figure{
		What: "cost of a get with 1,000 connections", Value: 1e3 / rates[1000], Unit: "µs",
		Peer: "with 1", Than: 1e3 / rates[1],
	}, 1.5)), nil
}

// fresh measures a connection for each get.
func fresh(l *lab) ([]figure, error) {
	a, err := l.arena()
	if err != nil {
		return nil, err
	}
	defer a.end()
	at, err := a.inTurns(job{Conns: 1, Total: l.few(1_500), Fresh: true}, p50)
	return []figure{atMost(figure{What: "a new connection and a get, p50", Value: at[falcred], Unit: "µs", Peer: echo, Than: at[echo]}, 1.10)}, err
}

// few is how many requests a round has.
func (l *lab) few(n int) int {
	if l.short {
		return n / 10
	}
	return n
}
