package packaging

import "strings"

// Agent is what varies in a property list of launchd.
type Agent struct {
	Label string
	Exec  string
	Log   string            // where standard error goes
	User  string            // of a LaunchDaemon; "" in a LaunchAgent
	Env   map[string]string // for the daemon
}

// Plist is the property list. Umask is 077 in decimal there.
func Plist(a Agent) (string, error) {
	var env []string
	for _, name := range sortedKeys(a.Env) {
		env = append(env, "\t\t<key>"+escapeXML(name)+"</key>\n\t\t<string>"+escapeXML(a.Env[name])+"</string>")
	}
	return fill("launchd/falcred.plist", values{
		"Label": escapeXML(a.Label), "Exec": escapeXML(a.Exec), "Log": escapeXML(a.Log),
		"User": escapeXML(a.User), "Env": strings.Join(env, "\n"),
	})
}
