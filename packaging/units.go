// Package packaging holds the files that service managers read, so that
// `falcred service install` and the packages share one text.
package packaging

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Unit is what varies in a unit of systemd. The texts are raw: they are quoted
// where they are put in.
type Unit struct {
	Name   string            // of the unit, without its suffix
	Home   string            // a login's home that is not the standard one, or ""
	Exec   string            // absolute path of falcred
	Socket string            // absolute path
	Env    map[string]string // for the daemon
}

// PackagedExec is where the packages put falcred.
const PackagedExec = "/usr/bin/falcred"

// Packaged is the user's service as packages install it, for everybody: %h is
// each one's own home.
func Packaged() (service, socket string) {
	u := Unit{Name: "falcred", Exec: PackagedExec}
	return u.service(), u.socket("%h/.fal/falcred.sock", `# For people: not for greeters and daemons, which have no login.
ConditionUser=!@system
ConditionPathIsDirectory=%h
`)
}

// PackagedSystem is falcred@.service as packages install it.
func PackagedSystem() string { return System(PackagedExec) }

// User is the service and the socket of one home.
func User(u Unit) (service, socket string) {
	return u.service(), u.socket(escape(u.Socket), "")
}

// notBoth keeps the standard home from having two services: that of the user and
// that of the machine.
const notBoth = "ConditionPathExists=!/etc/systemd/system/multi-user.target.wants/falcred@%u.service\n"

func (u Unit) of() string {
	if u.Home == "" {
		return ""
	}
	return " in " + escape(u.Home)
}

func (u Unit) service() string {
	condition, environment := "", ""
	if u.Home == "" {
		condition = "# Where falcred@.service serves this user, the two would take turns.\n" + notBoth
	}
	for _, name := range slices.Sorted(maps.Keys(u.Env)) { // the same input makes the same file
		environment += "Environment=" + quote(name+"="+u.Env[name]) + "\n"
	}
	if environment == "" {
		environment = `# Whatever this user's environment.d says, the socket is that of the standard home.
UnsetEnvironment=FAL_HOME_DIR FALCRED_SOCKET
`
	}
	return `# The user's own service. It stands in a user manager, which may be unable to
# make user namespaces: so nothing here needs one. What would (ProtectSystem=,
# PrivateTmp= and their like) is in falcred@.service.

[Unit]
Description=Credential daemon for fal.ai logins` + u.of() + `
Documentation=man:falcred-run(1) https://github.com/falcred/falcred
Requires=` + u.Name + `.socket
# A home that is away at first, on a network or encrypted, comes back. What ends at
# once is not started for ever.
StartLimitIntervalSec=60
StartLimitBurst=20
` + condition + `
[Service]
Type=notify
ExecStart=` + quoteExec(u.Exec) + ` run
` + environment + `Restart=on-failure
RestartSec=5
# A mistake of configuration: the next request starts it again.
RestartPreventExitStatus=78
# A refresh in flight is finished first: 17 s at most.
TimeoutStopSec=60
# falcred asks itself over its own socket, and is killed when it does not answer.
WatchdogSec=120

UMask=0077
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
Also=` + u.Name + `.socket
WantedBy=default.target
`
}

// socket is for a path that is escaped, and for the people that a condition names.
func (u Unit) socket(path, people string) string {
	condition := ""
	if u.Home == "" {
		condition = notBoth
	}
	return `[Unit]
Description=Socket of the credential daemon for fal.ai logins` + u.of() + `
Documentation=man:falcred-run(1) https://github.com/falcred/falcred
` + condition + people + `
[Socket]
ListenStream=` + path + `
SocketMode=0600
DirectoryMode=0700
# Clients that come while the daemon is replaced wait here.
Backlog=4096
RemoveOnStop=yes

[Install]
WantedBy=sockets.target
`
}

// System is falcred@.service for that program.
func System(exec string) string {
	return `# The service of a user who is never logged in: falcred@USER.service. It makes
# its own socket: for root to make one in a folder that a user can turn into a
# link would give that user a hand in root's files.

[Unit]
Description=Credential daemon for fal.ai logins of %i
Documentation=man:falcred-run(1) https://github.com/falcred/falcred
After=network.target nss-user-lookup.target
# A home that is away at first, on a network or encrypted, comes back. What ends at
# once is not started for ever.
StartLimitIntervalSec=60
StartLimitBurst=20

[Service]
Type=notify
User=%i
ExecStart=` + quoteExec(exec) + ` run
Restart=on-failure
RestartSec=5
# A mistake of configuration: systemctl restart, once it is corrected.
RestartPreventExitStatus=78
TimeoutStopSec=60
WatchdogSec=120

# The token file may be a link to anywhere, and its folder is written: homes
# and data stay writable as far as their modes go.
ProtectSystem=full
ProtectHome=no

UMask=0077
LimitCORE=0
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
DevicePolicy=closed
KeyringMode=private
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
`
}

// escape keeps systemd from taking a % for a specifier. A line break cannot be
// kept out by quoting: Check refuses it.
func escape(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quote makes one word of it (systemd.syntax(7)).
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(s) + `"`
}

// quoteExec is quote for a command line, where a $ begins a variable too. A
// plain path stays readable.
func quoteExec(s string) string {
	if !strings.ContainsAny(s, " \t\"'\\%$;") {
		return s
	}
	return strings.ReplaceAll(quote(s), "$", "$$")
}

// Check refuses a path that would end its line in a unit, and go on as another.
func Check(path string) error {
	if strings.ContainsFunc(path, func(r rune) bool { return r < 0x20 || r == 0x7f }) {
		return fmt.Errorf("%q holds control characters, which a service's file cannot name", path)
	}
	return nil
}
