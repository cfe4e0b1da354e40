package packaging

// Agent is what varies in a property list of launchd.
type Agent struct {
	Label string
	Exec  string
	Log   string            // where standard error goes
	User  string            // of a LaunchDaemon; "" in a LaunchAgent
	Env   map[string]string // for the daemon
}

// Plist is the property list. Umask is 077 in decimal there.
func Plist(a Agent) (string, error) { return render("launchd/falcred.plist", a) }
