package oxdtest

import (
	"net/http"
	"net/url"
	"slices"
)

// serveEndSession answers OpenID Connect RP-Initiated Logout 1.0. Without a
// valid id_token_hint nothing ends: anybody can send a browser here. Tokens
// stay valid, as in oxAuth: only the single sign-on ends.
func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	// An expired ID token is fine as a hint (section 2).
	claims, err := opVerify(query.Get("id_token_hint"))
	issuer, _ := claims["iss"].(string)
	audience, _ := claims["aud"].(string)
	client := p.client(audience)
	valid := err == nil && issuer == p.URL && client != nil

	p.mu.Lock()
	p.counts.endSessions++
	if valid {
		p.counts.endSessionHints++
	}
	p.mu.Unlock()
	if !valid {
		opErrorPage(w, http.StatusBadRequest, "The application did not say whose session is to end.")
		return
	}

	frames := p.announceLogout(r.Context(), p.endSessions(w, p.sessionOf(r), claims))
	target := query.Get("post_logout_redirect_uri")
	params := url.Values{}
	if state := query.Get("state"); state != "" {
		params.Set("state", state)
	}
	switch back := slices.Contains(client.meta.PostLogoutRedirectURIs, target); {
	case back && len(frames) > 0:
		opLogoutPage(w, frames, opAddQuery(target, params))
	case back:
		opRedirect(w, r, target, params)
	case len(frames) > 0:
		opLogoutPage(w, frames, "")
	default:
		opRender(w, http.StatusOK, "signedout", opPage{Title: "You are signed out"})
	}
}

// endSessions ends the session that the ID token came from, and that of this
// browser when it belongs to the same person. It returns them.
func (p *Provider) endSessions(w http.ResponseWriter, current *opSession, claims map[string]any) (all []*opSession) {
	p.mu.Lock()
	ended := false
	if current != nil && p.users[current.user].sub == claims["sub"] {
		p.sessions.drop(current.id)
		ended = true
		all = append(all, current)
	}
	for id, entry := range p.sessions.entries {
		if entry.value.sid == claims["sid"] {
			p.sessions.drop(id)
			all = append(all, entry.value)
		}
	}
	p.mu.Unlock()
	if ended {
		p.setSessionCookie(w, "", -1)
	}
	return all
}
