package idp

import (
	"net/http"
	"strings"
	"time"
)

// Team is an account beside the personal one, as fal's REST host lists it.
type Team struct{ Nickname, FullName, UserID string }

// serveTeams is no identity provider's, but fal's REST host's: GET /users/teams. It stands here so
// that a test or the demo needs one server. Everybody is in all of Config.Teams.
func (p *Provider) serveTeams(w http.ResponseWriter, r *http.Request) {
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p.mu.Lock()
	token, known := p.access[bearer]
	teams, status := p.cfg.Teams, p.cfg.TeamsStatus
	p.stats.TeamRequests++
	p.mu.Unlock()
	if !ok || !known || !time.Now().Before(token.expires) {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"detail": "unauthorized"})
		return
	}
	if status != 0 {
		writeJSON(w, status, map[string]any{"detail": "as the test wants it"})
		return
	}
	name, _ := profile(token.sub)["name"].(string)
	list := []map[string]any{}
	for _, t := range teams {
		list = append(list, map[string]any{
			"nickname": t.Nickname, "full_name": t.FullName, "user_id": t.UserID, "is_personal": false, "is_org": false,
		})
	}
	list = append(list, map[string]any{
		"nickname": name, "full_name": name, "user_id": "user_" + name, "is_personal": true, "is_org": false,
	})
	writeJSON(w, http.StatusOK, list)
}
