//go:build man

package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// about is what a page says of the world outside: names of variables and files.
type about struct{ environment, files []string }

// variableMeanings are of those that falcred reads of its environment.
var variableMeanings = map[string]string{
	"FAL_HOME_DIR":               "The home: the folder of the login and of falcred's own files, an absolute path. Without it that is ~/.fal.",
	"FALCRED_SOCKET":             "The daemon's socket. Without it that is falcred.sock in the home, or in XDG_RUNTIME_DIR where the home cannot hold one.",
	"XDG_RUNTIME_DIR":            "Where the socket is if the home cannot hold one.",
	"FALCRED_ISSUER":             "The identity provider. Without it that is fal's.",
	"FALCRED_CLIENT_ID":          "The client that a login is asked for as.",
	"FALCRED_AUDIENCE":           "The audience that a login is asked for with; empty is none.",
	"FALCRED_SCOPES":             "The scopes that a login is asked for with; empty is none.",
	"FALCRED_SERVERS":            "More hosts to answer for, comma-separated.",
	"FALCRED_SHARE_SOCKET":       "The path of a second socket, from which others may only read the login's access token.",
	"FALCRED_ALLOW_UIDS":         "The others' user numbers, comma-separated.",
	"FALCRED_ON_CHANGE":          "A command that is run at each change of the login's state.",
	"FALCRED_NOTIFY":             "0: no desktop notification when the login has ended.",
	"FALCRED_TEAM":               "The team of this shell's requests, by its nickname; empty is the login's own account. Without it the fal CLI's configuration says.",
	"FALCRED_AUTOSTART":          "0: no daemon is started for a credential.",
	"FAL_KEY":                    "A key, which is used in place of the login.",
	"FAL_KEY_ID, FAL_KEY_SECRET": "A key in two parts, where FAL_KEY is not set.",
	"FAL_FORCE_AUTH_BY_USER":     "1: the login is used, whatever keys are set.",
	"FAL_CONFIG_PATH":            "The fal CLI's configuration, which names the team. Without it that is ~/.fal/config.toml.",
	"FAL_PROFILE":                "The profile of the fal CLI.",
	"FAL_REST_HOST":              "The host that is asked for teams.",
	"HTTPS_PROXY, NO_PROXY":      "The way to the issuer through a proxy.",
	"SSL_CERT_FILE":              "The certificates that are believed.",
	"NO_COLOR":                   "Not empty: no colours.",
	"BROWSER":                    "The program that opens the address of a login.",
}

// fileMeanings are of those that falcred reads or writes.
var fileMeanings = map[string]string{
	"~/.fal/auth0_token":      "The login: a refresh token, and below it an access token. fal's own programs read it, too.",
	"~/.fal/falcred.env":      "Variables for the daemon and for the commands that need them: falcred.env(5).",
	"~/.fal/falcred.sock":     "The daemon's socket.",
	"~/.fal/falcred.history":  "What happened to the login, a JSON object on each line.",
	"~/.fal/falcred.json":     "What falcred has noted of the login: its issuer, whose it is, since when. No secret is in it.",
	"~/.fal/falcred.consumed": "Fingerprints of refresh tokens that were used up.",
	"~/.fal/.portalock":       "The lock that falcred and fal's own programs take for a refresh.",
	"~/.fal/config.toml":      "The fal CLI's configuration, which names the team.",
	"~/.config/systemd/user/falcred.service, ~/.config/systemd/user/falcred.socket": "The user's own service, where systemd is.",
	"/etc/systemd/system/falcred@.service":                                          "A service of the machine, where systemd is.",
}

var (
	homeVars   = []string{"FAL_HOME_DIR"}
	socketVars = []string{"FAL_HOME_DIR", "FALCRED_SOCKET", "XDG_RUNTIME_DIR"}
	issuerVars = []string{"FAL_HOME_DIR", "FALCRED_SOCKET", "FALCRED_ISSUER", "FALCRED_CLIENT_ID", "FALCRED_AUDIENCE", "FALCRED_SCOPES", "HTTPS_PROXY, NO_PROXY", "SSL_CERT_FILE"}
	shellVars  = []string{"FAL_KEY", "FAL_KEY_ID, FAL_KEY_SECRET", "FAL_FORCE_AUTH_BY_USER", "FALCRED_TEAM"}
	teamVars   = []string{"FAL_CONFIG_PATH", "FAL_PROFILE", "FAL_REST_HOST"}
	daemonVars = []string{"FALCRED_SERVERS", "FALCRED_SHARE_SOCKET", "FALCRED_ALLOW_UIDS", "FALCRED_ON_CHANGE", "FALCRED_NOTIFY"}

	loginFiles  = []string{"~/.fal/auth0_token", "~/.fal/falcred.env"}
	daemonFiles = []string{"~/.fal/falcred.sock", "~/.fal/falcred.history", "~/.fal/falcred.json", "~/.fal/falcred.consumed", "~/.fal/.portalock"}
	teamFiles   = []string{"~/.fal/config.toml"}
)

// manPages has an entry for each command, or for the one that it belongs to.
var manPages = map[string]about{
	"falcred":            {slices.Concat(issuerVars, daemonVars, shellVars, teamVars, []string{"NO_COLOR"}), slices.Concat(loginFiles, daemonFiles, teamFiles)},
	"falcred login":      {slices.Concat(issuerVars, teamVars, []string{"BROWSER", "NO_COLOR"}), slices.Concat(loginFiles, teamFiles)},
	"falcred logout":     {slices.Concat(issuerVars, teamVars), slices.Concat(loginFiles, teamFiles)},
	"falcred run":        {slices.Concat(issuerVars, daemonVars, shellVars[:3], teamVars), slices.Concat(loginFiles, daemonFiles, teamFiles)},
	"falcred service":    {homeVars, []string{"~/.fal/falcred.env", "~/.config/systemd/user/falcred.service, ~/.config/systemd/user/falcred.socket", "/etc/systemd/system/falcred@.service"}},
	"falcred stop":       {slices.Concat(socketVars, []string{"FALCRED_AUTOSTART"}), daemonFiles[:1]},
	"falcred restart":    {socketVars, slices.Concat(daemonFiles[:1], loginFiles[1:])},
	"falcred status":     {slices.Concat(socketVars, shellVars, []string{"NO_COLOR"}), slices.Concat(loginFiles, daemonFiles[:1])},
	"falcred whoami":     {slices.Concat(socketVars, []string{"FALCRED_TEAM", "FAL_CONFIG_PATH"}), slices.Concat(loginFiles[:1], []string{"~/.fal/falcred.json"}, teamFiles)},
	"falcred token":      {slices.Concat(socketVars, shellVars, []string{"FALCRED_SERVERS", "FALCRED_AUTOSTART"}), slices.Concat(loginFiles[:1], daemonFiles[:1])},
	"falcred team":       {slices.Concat(socketVars, teamVars, shellVars), slices.Concat(teamFiles, loginFiles)},
	"falcred history":    {slices.Concat(homeVars, []string{"NO_COLOR"}), []string{"~/.fal/falcred.history"}},
	"falcred doctor":     {slices.Concat(issuerVars, daemonVars, shellVars, teamVars, []string{"NO_COLOR"}), slices.Concat(loginFiles, daemonFiles, teamFiles)},
	"falcred follow":     {[]string{"FALCRED_SOCKET", "FAL_HOME_DIR", "FALCRED_ALLOW_UIDS"}, loginFiles[:1]},
	"falcred demo":       {[]string{"NO_COLOR"}, nil},
	"falcred completion": {teamVars[:1], nil},
	"falcred version":    {},
}

func aboutPage(cmd *cobra.Command) about {
	page, known := manPages[cmd.CommandPath()]
	switch {
	case known:
		return page
	case cmd.HasParent() && cmd.Parent().HasParent():
		return aboutPage(cmd.Parent())
	}
	panic("no page for " + strings.TrimSpace(cmd.CommandPath()))
}
