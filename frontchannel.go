package oxdauth

// Front-channel logout: the provider's logout page loads our address in a frame, which has none of our cookies.

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// FrontChannelLogout gives the handler that ends sessions on a message of the provider's logout page (OpenID Connect
// Front-Channel Logout 1.0). Register its address with oxd in [oxd.RegisterSiteParams].FrontchannelLogoutURIs. A browser
// sends no cookies of ours into a frame of another site, so the session is found by the parameters iss and sid, both of
// which are required, and is ended on the server as by [Middleware.RevokeSubject]: in this process and, with [WithStore], on
// the other replicas. Cookies of that very session are removed if they came.
//
// Anybody can send a browser here. What protects a session is that its sid is known to its browser and the provider only;
// a wrong one ends nothing, and the answer does not tell whether it was right.
//
// [Middleware.Handler] serves it at [Middleware.FrontChannelLogoutPath] by itself.
func (m *Middleware) FrontChannelLogout() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.allow(w, r, http.MethodGet) {
			return
		}
		iss, sid, ok := frontChannelQuery(r.URL.RawQuery)
		if !ok || !m.issuers.none() && !m.issuers.has(iss) {
			m.fail(w, r, errBadLogout)
			return
		}
		jar := readJar(r, m.prefix)
		if v, _ := m.readIdentity(jar); v != nil && equal([]byte(v.issuer), []byte(iss)) && equal([]byte(v.sid), []byte(sid)) {
			m.identity.clear(w, jar, 0)
			m.tokens.clear(w, jar, 0)
		}
		id := groupOf(groupSID, iss, sid)
		known := m.seen.has(id)
		if !known {
			var err error
			if known, err = m.shared.noted(r.Context(), sidKind, id); err != nil {
				m.logger.ErrorContext(r.Context(), "oxdauth: a front-channel logout counts on this replica alone", "error", err)
			}
		}
		if known {
			m.endGroup(r.Context(), id)
			m.emitEnded(r.Context(), iss, "", EndedByFrontChannel)
		} else {
			// A session of before a restart or, without a store, of another replica; or somebody trying.
			m.revoked.addHint(id, m.absolute)
		}
		m.logger.InfoContext(r.Context(), "oxdauth: front-channel logout", "known", known)
		m.answerFrame(w, iss)
	})
}

// frontChannelQuery wants each parameter once, in a bounded query.
func frontChannelQuery(raw string) (iss, sid string, ok bool) {
	if len(raw) > maxCallbackQuery || strings.Count(raw, "&") >= maxCallbackParams {
		return "", "", false
	}
	q, err := url.ParseQuery(raw)
	if err != nil || len(q["iss"]) != 1 || len(q["sid"]) != 1 {
		return "", "", false
	}
	iss, sid = q.Get("iss"), q.Get("sid")
	return iss, sid, iss != "" && sid != ""
}

// answerFrame shows an empty page that only the provider may put into a frame.
func (m *Middleware) answerFrame(w http.ResponseWriter, iss string) {
	ancestor := "'none'"
	if m.issuers.has(iss) {
		ancestor = originOf(iss)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors "+ancestor)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer") // the address holds a sid
	neverStore(w)
	_, _ = w.Write([]byte("<!DOCTYPE html><title>Signed out</title>\n")) // the client may have gone away
}

// originOf gives the origin of a URL in the form a policy can hold, else 'none'.
func originOf(address string) string {
	u, err := url.Parse(address)
	unsafe := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-:[]", c))
	}
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || strings.ContainsFunc(u.Host, unsafe) {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}

// learn remembers what a session tells about the provider.
func (m *Middleware) learn(v *identity) {
	m.issuers.add(v.issuer)
	if v.sid != "" {
		m.seen.add(groupOf(groupSID, v.issuer, v.sid), v.expires)
	}
}

// learned holds the latest different values of something that hardly ever changes. It is safe for concurrent use.
type learned struct {
	mu     sync.RWMutex // guards values
	values []string     // the latest last
}

const maxLearned = 4

func (l *learned) add(value string) {
	if l.has(value) { // nearly always
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.values, value) {
		return
	}
	if l.values = append(l.values, value); len(l.values) > maxLearned {
		l.values = l.values[1:]
	}
}

// has reports whether all of the values, and at least one, are known.
func (l *learned) has(values ...string) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, value := range values {
		if !slices.Contains(l.values, value) {
			return false
		}
	}
	return len(values) > 0
}

func (l *learned) none() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.values) == 0
}
