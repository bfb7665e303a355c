// The end-session endpoint.

package provider

import (
	"net/http"
	"net/url"
	"slices"

	"example.com/oxdauth/oxdtest/internal/oauth"
	"example.com/oxdauth/oxdtest/internal/pages"
)

// serveEndSession answers OpenID Connect RP-Initiated Logout 1.0. Without a valid id_token_hint
// nothing ends: anybody can send a browser here. Tokens stay valid, as in oxAuth: only the single
// sign-on ends.
func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	// An expired ID token is fine as a hint (section 2).
	claims, err := verify(query.Get("id_token_hint"))
	audience, _ := claims["aud"].(string)
	client := p.clients.get(audience)
	valid := err == nil && claims["iss"] == p.issuer && client != nil
	p.knobs.count(func(c *Counts) {
		c.EndSessions++
		if valid {
			c.EndSessionHints++
		}
	})
	if !valid {
		pages.WriteError(w, http.StatusBadRequest, "The application did not say whose session is to end.")
		return
	}

	var frames []string
	for _, ended := range p.logins.end(w, p.logins.sessionOf(r), claims) {
		frames = append(frames, p.logouts.announce(r.Context(), ended.sid, p.people.byName[ended.user].sub)...)
	}
	params := url.Values{}
	if state := query.Get("state"); state != "" {
		params.Set("state", state)
	}
	target := query.Get("post_logout_redirect_uri")
	switch back := slices.Contains(client.meta.PostLogoutRedirectURIs, target); {
	case back && len(frames) > 0:
		pages.WriteSignedOut(w, frames, oauth.AddQuery(target, params))
	case back:
		oauth.Redirect(w, r, target, params)
	default:
		pages.WriteSignedOut(w, frames, "")
	}
}

// end ends the session that the ID token came from, and that of this browser when it belongs to the
// same person. It returns them.
func (l *logins) end(w http.ResponseWriter, current *browserSession, claims map[string]any) (all []*browserSession) {
	l.mu.Lock()
	own := current != nil && l.people.byName[current.user].sub == claims["sub"]
	if own {
		l.sessions.Drop(current.id)
		all = append(all, current)
	}
	all = append(all, l.sessions.DropFunc(func(s *browserSession) bool { return s.sid == claims["sid"] })...)
	l.mu.Unlock()
	if own {
		l.setSessionCookie(w, "", -1)
	}
	return all
}
