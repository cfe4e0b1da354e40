package env

// TeamName is the variable that names the team of a shell's requests.
const TeamName = "FALCRED_TEAM"

// Team is whom an environment's requests are attributed to, by the nickname in FALCRED_TEAM: set and
// empty it is the login's own account, and nil, not set, leaves that to the fal config. It is a
// client's alone: a daemon serves many shells.
func Team(lookup func(string) (string, bool)) *string {
	if name, ok := lookup(TeamName); ok {
		return &name
	}
	return nil
}
