package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"

	"github.com/falcred/falcred/daemon/doctor"
	"github.com/falcred/falcred/protocol/env"
)

// examinePlaces says where the home and the socket are where that is not where people look,
// and why.
func examinePlaces(home string) (findings []doctor.Finding) {
	if f, odd := examineHOME(os.LookupEnv, home); odd {
		findings = append(findings, f)
	}
	places, err := env.Sockets(os.LookupEnv, home)
	switch own := env.CheckSocketPath(filepath.Join(home, "falcred.sock")); {
	case err != nil: // stand has said it
	case own != nil && places[0].Shared:
		findings = append(findings, doctor.Finding{Check: "socket", Result: doctor.Warn,
			Text: fmt.Sprintf("the path of the home is too long for a socket in it, so the daemon is at %s, and only one home of yours can have it", places[0].Path),
			Hint: "another home needs a FALCRED_SOCKET of its own, or this one a shorter path"})
	default:
		findings = append(findings, examineTwoPlaces(places)...)
	}
	return findings
}

// noWriting is what follows from a home that cannot be written.
func noWriting(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Sprintf("%s cannot be written (%v): nobody can log in, log out or refresh there", path.Path, path.Err)
	}
	return err.Error()
}

// examineTwoPlaces: a home that could not hold a socket once can do so now, or two daemons were
// started with other environments. Clients find the first.
func examineTwoPlaces(places []env.Place) []doctor.Finding {
	var there []string
	for _, p := range places {
		if info, err := os.Lstat(p.Path); err == nil && info.Mode().Type() == os.ModeSocket {
			there = append(there, p.Path)
		}
	}
	if len(there) < 2 {
		return nil
	}
	return []doctor.Finding{{Check: "socket", Result: doctor.Warn,
		Text: fmt.Sprintf("there is a socket at %s and one at %s: programs here ask the first; the other may be another home's", there[0], there[1]),
		Hint: "if both daemons serve this home, end the one at the second: " + holderHint(there[1])}}
}

// examineHOME: what HOME, or USERPROFILE, says decides which login fal's own programs find, too.
func examineHOME(lookup func(string) (string, bool), home string) (doctor.Finding, bool) {
	value, set := lookup(homeVariable)
	_, named := lookup("FAL_HOME_DIR")
	f := doctor.Finding{Check: homeVariable, Result: doctor.Warn}
	u, err := user.Current()
	switch {
	case set && value == "" && !named:
		f.Text = homeVariable + " is set and empty, so falcred and fal's own programs take " + home
		f.Hint = "unset " + homeVariable + ", or give it your home folder"
	case set && value != "" && !filepath.IsAbs(value):
		f.Text = fmt.Sprintf("%s is not an absolute path: %q; falcred goes by FAL_HOME_DIR alone", homeVariable, value)
		f.Hint = "give " + homeVariable + " your home folder"
	case !set && (err != nil || u.HomeDir == ""):
		f.Text = fmt.Sprintf("%s is not set, and the user database has no home for this user; falcred goes by FAL_HOME_DIR alone", homeVariable)
		f.Hint = "fal's own programs need " + homeVariable + ": set it to a folder of yours"
	default:
		return f, false
	}
	return f, true
}
