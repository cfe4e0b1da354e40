package packaging

import (
	"maps"
	"slices"
	"strings"
)

// Entry is what varies in an XDG autostart entry.
type Entry struct {
	Home string            // a login's home that is not the standard one, or ""
	Exec string            // absolute path of falcred
	Env  map[string]string // for the daemon
}

// Autostart is the entry (the Desktop Entry and Autostart specifications of freedesktop.org).
func Autostart(e Entry) string {
	of, env := "", "env -u FAL_HOME_DIR -u FALCRED_SOCKET" // whatever the session says, it is this home's
	if e.Home != "" {
		of = " in " + e.Home
	}
	for _, name := range slices.Sorted(maps.Keys(e.Env)) { // the same input makes the same file
		env += " " + word(name+"="+e.Env[name])
	}
	command := env + " " + word(e.Exec) + " run"
	return `[Desktop Entry]
Type=Application
Name=falcred
Comment=` + strings.ReplaceAll("Credential daemon for fal.ai logins"+of, `\`, `\\`) + `
Exec=` + command + `
Terminal=false
NoDisplay=true
`
}

// word is one argument of an Exec line: quoted by its own rule, and then as any value is, by
// which a backslash is two. A % begins a field code.
func word(s string) string {
	quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`).Replace(s)
	return strings.NewReplacer(`\`, `\\`, "%", "%%").Replace(`"` + quoted + `"`)
}
