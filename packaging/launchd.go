package packaging

import (
	"encoding/xml"
	"maps"
	"slices"
	"strings"
)

// Agent is what varies in a property list of launchd.
type Agent struct {
	Label string
	Exec  string
	Log   string            // where standard error goes
	User  string            // of a LaunchDaemon; "" in a LaunchAgent
	Env   map[string]string // for the daemon
}

// Plist is the property list. Umask is 077 in decimal there.
func Plist(a Agent) string {
	env, user := "", ""
	for _, name := range slices.Sorted(maps.Keys(a.Env)) { // the same input makes the same file
		env += "\t\t<key>" + escapeXML(name) + "</key>\n\t\t<string>" + escapeXML(a.Env[name]) + "</string>\n"
	}
	if env != "" {
		env = "\t<key>EnvironmentVariables</key>\n\t<dict>\n" + env + "\t</dict>\n"
	}
	if a.User != "" {
		user = "\t<key>UserName</key>\n\t<string>" + escapeXML(a.User) + "</string>\n"
	}
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>` + escapeXML(a.Label) + `</string>
	<key>ProgramArguments</key>
	<array>
		<string>` + escapeXML(a.Exec) + `</string>
		<string>run</string>
	</array>
` + env + `` + user + `	<key>RunAtLoad</key>
	<true/>
	<key>KeepAlive</key>
	<dict>
		<key>SuccessfulExit</key>
		<false/>
	</dict>
	<!-- launchd starts a job again whatever its exit status says: twice a minute at most. -->
	<key>ThrottleInterval</key>
	<integer>30</integer>
	<key>ExitTimeOut</key>
	<integer>60</integer>
	<key>ProcessType</key>
	<string>Background</string>
	<key>Umask</key>
	<integer>63</integer>
	<key>StandardErrorPath</key>
	<string>` + escapeXML(a.Log) + `</string>
</dict>
</plist>
`
}

func escapeXML(s string) string {
	var out strings.Builder
	xml.EscapeText(&out, []byte(s)) // a Builder never fails
	return out.String()
}
