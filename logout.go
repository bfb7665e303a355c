package oxdauth

// Logging out: this application first and in any case, then the provider with this session's own ID token.

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/oxdauth/oxd"
)

const logoutTimeout = 5 * time.Second // for oxd; the local session is gone by then

// Logout gives the handler that ends the session: POST, refused when another origin sent it ([ErrCrossOrigin]); GET shows a
// page that asks. The session is revoked and its cookies removed before oxd is asked, so logging out works while oxd is
// down. Then the browser goes to the provider's end_session endpoint (OpenID Connect RP-Initiated Logout) if this session
// has an ID token, else to a page that says so: without a hint of its own oxd would name whoever logged in last.
// [Middleware.Handler] serves it at [Middleware.LogoutPath] by itself.
func (m *Middleware) Logout() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			m.showPage(w, r, http.StatusOK, PageData{Title: titleSignOut, Text: textSignOut, Post: m.site.logoutPath, Button: buttonSignOut})
		case !m.allow(w, r, http.MethodPost):
		case !m.sameOrigin(r):
			m.fail(w, r, ErrCrossOrigin)
		default:
			m.logout(w, r)
		}
	})
}

// sameOrigin adds to http.CrossOriginProtection, for browsers that send no Sec-Fetch-Site, that the whole Origin has to be
// ours: without it the scheme would not count.
func (m *Middleware) sameOrigin(r *http.Request) bool {
	for _, origin := range r.Header["Origin"] {
		if origin != m.site.origin {
			return false
		}
	}
	return m.crossOrigin.Check(r) == nil
}

func (m *Middleware) logout(w http.ResponseWriter, r *http.Request) {
	jar := readJar(r, m.prefix)
	v, t, _ := m.current(jar, new(identity), time.Now())
	if v != nil && t == nil {
		v, t, _ = m.readTokens(r.Context(), jar, v) // without an ID token the logout is local
	}
	m.end(w, r, jar, v, EndedByLogout)
	for _, c := range jar {
		for _, s := range []*sealer{m.logins, m.gatherings, m.forms} {
			if strings.HasPrefix(c.name, s.name) {
				s.set(w, c.name, "", -1)
			}
		}
	}
	if m.clearSiteData {
		w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	}
	if t != nil && t.idToken != "" {
		if target, ok := m.endSessionURL(r.Context(), t.idToken); ok {
			m.redirect(w, r, target)
			return
		}
	}
	m.showPage(w, r, http.StatusOK, PageData{Title: titleSignedOut, Text: textSignedOut, Link: "/", Button: buttonSignIn})
}

// endSessionURL asks oxd for the provider's logout page; failing that, the local logout has to do.
func (m *Middleware) endSessionURL(ctx context.Context, idToken string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	target, err := m.client.LogoutURL(ctx, oxd.LogoutURLParams{IDTokenHint: oxd.NewSecret(idToken), PostLogoutRedirectURI: m.logoutRedirect})
	if err != nil {
		m.logger.WarnContext(ctx, "oxdauth: logged out here, but not at the provider", "error", err)
		return "", false
	}
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.ContainsFunc(target, turnsInBrowsers) {
		m.logger.WarnContext(ctx, "oxdauth: oxd answered an unusable logout URL")
		return "", false
	}
	return target, true
}

// WithClearSiteData makes the answer to a logout ask the browser to delete what it has cached and stored for this origin:
// Clear-Site-Data: "cache", "storage". Cookies of others are left alone. It concerns every application of the origin and
// can take a browser seconds. Default: off.
func WithClearSiteData() Option {
	return option(func(s *settings) error {
		s.clearSiteData = true
		return nil
	})
}
