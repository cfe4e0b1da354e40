package doctor

import (
	"os"
	"path/filepath"

	"github.com/falcred/falcred/daemon/internal/fsx"
	"github.com/falcred/falcred/daemon/tokenfile"
	"github.com/falcred/falcred/protocol/env"
	"github.com/falcred/falcred/protocol/limits"
)

// examineLimits names what the system grants too little of (S6). It is this shell's; a daemon
// that is started here has the same, and one of a service has its unit's.
func examineLimits() (findings []Finding) {
	for _, p := range limits.Examine() {
		f := Finding{"limits", Fail, p.Text, p.Hint}
		if p.Minor {
			f.Result = Warn
		}
		findings = append(findings, f)
	}
	if len(findings) == 0 {
		findings = []Finding{{Check: "limits", Result: OK, Text: "files, threads and memory are enough"}}
	}
	return findings
}

// examineRoom says whether a refresh could be kept (R4): in the home, and beside the token
// file where a link leads elsewhere. A home that is not there is another finding.
func examineRoom(home string) (findings []Finding) {
	folders := []string{home}
	if target, err := tokenfile.In(home, nil).Target(); err == nil && filepath.Dir(target) != home {
		folders = append(folders, filepath.Dir(target))
	}
	for _, folder := range folders {
		if _, err := os.Stat(folder); err != nil {
			continue
		}
		if err := fsx.Room(folder); err != nil {
			text, _ := fsx.Explain(fsx.Cause(err))
			findings = append(findings, Finding{"disk", Fail, "nothing is refreshed, since nothing can be written in " + folder + ": " + text, fsx.Hint(err)})
		}
	}
	return findings
}

// examineNetworkHome: on a network each machine has a daemon, and they share the login by the
// file's lock (S1).
func examineNetworkHome(home string) Finding {
	if !env.OnNetwork(home) {
		return Finding{Check: "filesystem", Result: OK, Text: "the home is on a local file system"}
	}
	f := Finding{"filesystem", Warn, home + " is on a network file system, or FUSE: locks are weaker there, and each machine has a daemon of its own",
		"nothing has to be done; to be strict, give each machine a FAL_HOME_DIR and login of its own"}
	if places, err := env.Sockets(os.LookupEnv, home); err == nil && len(places) < 2 && os.Getenv("FALCRED_SOCKET") == "" {
		f.Hint = "set XDG_RUNTIME_DIR to a folder of this machine's, where its daemon can have its socket"
	}
	return f
}
