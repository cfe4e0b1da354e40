package envfile

import (
	"slices"
	"strings"
)

// known are the variables that falcred, its helper, or what they use for TLS and proxies read,
// and that a line may set. A name that is as near to two of them means the first.
var known = []string{
	"FALCRED_ISSUER", "FALCRED_CLIENT_ID", "FALCRED_AUDIENCE", "FALCRED_SCOPES", "FALCRED_SERVERS",
	"FALCRED_SHARE_SOCKET", "FALCRED_ALLOW_UIDS", commandName, "FALCRED_NOTIFY",
	"FAL_KEY", "FAL_KEY_ID", "FAL_KEY_SECRET", "FAL_FORCE_AUTH_BY_USER",
	"FAL_CONFIG_PATH", "FAL_PROFILE",
	"FAL_HOST", "FAL_RUN_HOST", "FAL_QUEUE_RUN_HOST", "FAL_GRPC_HOST", "FAL_REST_HOST",
	"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "all_proxy", "no_proxy",
	"SSL_CERT_FILE", "SSL_CERT_DIR",
}

// elsewhere are variables that a line sets for nobody. The first three cannot stand here at all.
var elsewhere = map[string]string{ // #nosec G101 -- names of variables
	"FAL_HOME_DIR":      "", // settable
	"FALCRED_SOCKET":    "",
	"FALCRED_TEAM":      "",
	"FALCRED_AUTOSTART": "docker-credential-fal reads it, and does not read this file",
	"FALCRED_ON_DEMAND": "docker-credential-fal tells it the daemon that it starts", "FALCRED_INHERITANCE": "a daemon tells it the one that takes its place",
	"GOGC": runtimes, "GOMEMLIMIT": runtimes, "GOMAXPROCS": runtimes, "GOTRACEBACK": runtimes,
}

const runtimes = "it is read before this file is"

// strangers are well-known names that look like a slip in another one.
var strangers = []string{"FTP_PROXY", "ftp_proxy"}

// told are what FALCRED_ON_CHANGE's command finds in its environment.
var told = []string{"FALCRED_STATE", "FALCRED_CAUSE"}

// longest is how long a name is at most that is shown, or compared with others.
const longest = 40

// oddName says what is odd about a name, and what to do: text is "" for one that falcred
// knows, and for one that is nobody's but perhaps the command's of FALCRED_ON_CHANGE.
func oddName(name string) (text, hint string) {
	if why := elsewhere[name]; why != "" {
		return name + " does nothing here: " + why, "set " + name + " in the environment, and take it out of the file"
	}
	if slices.Contains(known, name) || slices.Contains(strangers, name) {
		return "", ""
	}
	if !printable(name) {
		return "the name on it is not like a variable's, and is not shown: it may be a part of a secret", "a value stands on one line, behind NAME="
	}
	meant, apart := nearest(name)
	if !ofFalcreds(name) && apart > 1 {
		return "", ""
	}
	hint = suggest(name, "take its line out")
	if _, not := elsewhere[meant]; not {
		hint += " It is set in the environment, and not in this file"
	}
	return "falcred reads no variable " + name, hint
}

// suggest says what a name may be meant for, or else what to do with it.
func suggest(name, without string) string {
	if meant, apart := nearest(name); apart <= 1+len(name)/6 {
		return "did you mean " + meant + "?"
	}
	return "correct the name " + name + ", or " + without + "; see: falcred run --help"
}

// Strays names what an environment (NAME=VALUE) has for falcred and falcred does not read, a
// sentence each; the second line says what to do. It leaves out what f has put there.
func (f File) Strays(environ []string) (found []string) {
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		_, own := f.Values[name]
		_, here := elsewhere[name]
		known := own || here || slices.Contains(known, name) || slices.Contains(told, name)
		if !known && strings.HasPrefix(strings.ToUpper(name), "FALCRED") && printable(name) {
			found = append(found, "the environment has "+name+", which falcred does not read\n"+suggest(name, "unset it"))
		}
	}
	slices.Sort(found)
	return found
}

// ofFalcreds says whether a name is meant for falcred, or for fal's own programs.
func ofFalcreds(name string) bool {
	upper := strings.ToUpper(name)
	return strings.HasPrefix(upper, "FALCRED") || strings.HasPrefix(upper, "FAL_")
}

// shown is a name for a text.
func shown(name string) string {
	if printable(name) {
		return name
	}
	return "its name"
}

// printable says whether a name looks like a variable's. The last line of a key, or of what
// base64 has made, can end with = and read like a name.
func printable(name string) bool {
	digits := 0
	for i := range len(name) {
		if '0' <= name[i] && name[i] <= '9' {
			digits++
		}
	}
	if len(name) > longest || digits > 3 {
		return false
	}
	oneCase := name == strings.ToUpper(name) || name == strings.ToLower(name)
	if oneCase || ofFalcreds(name) {
		return true
	}
	_, apart := nearest(name)
	return apart <= 1
}

// nearest is the variable that a name is the least apart from.
func nearest(name string) (meant string, apart int) {
	apart = longest
	if len(name) > longest {
		return "", apart
	}
	for _, candidate := range append(known[:len(known):len(known)], "FAL_HOME_DIR", "FALCRED_SOCKET", "FALCRED_AUTOSTART", "FALCRED_TEAM") {
		a, b := bare(name), bare(candidate)
		d := min(distance(strings.ToUpper(name), candidate), distance(a, b))
		if len(a) > len("FALKEY") && strings.HasPrefix(b, a) {
			d = min(d, 1) // its end was left out
		}
		if d < apart {
			meant, apart = candidate, d
		}
	}
	return meant, apart
}

// bare leaves out what is easily taken for something else: FAL_ for FALCRED_, and underscores.
func bare(name string) string {
	name = strings.ReplaceAll(strings.ToUpper(name), "_", "")
	if rest, ours := strings.CutPrefix(name, "FALCRED"); ours {
		return "FAL" + rest
	}
	return name
}

// distance is how many letters have to be put in, taken out, replaced, or swapped with the next
// one, so that a becomes b.
func distance(a, b string) int {
	var before, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replaced := last[j-1]
			if a[i-1] != b[j-1] {
				replaced++
			}
			row[j] = min(last[j]+1, row[j-1]+1, replaced)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
