// What tokens stand for, and how they are issued and found.

package provider

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
)

// tokens are the codes and tokens that were issued. It is safe for concurrent use.
type tokens struct {
	issuer  string
	knobs   *knobs
	people  *people
	clients *clients

	foreign           map[string]func(http.ResponseWriter, *Client, url.Values) // by grant type
	introspectForeign func(token string) (answer map[string]any, known bool)

	mu      sync.Mutex // guards the rest, and what grants and codes say
	codes   oauth.Store[*code]
	access  oauth.Store[*accessToken]
	refresh oauth.Store[*refreshToken]
}

// code is an authorization code. It stays for a while after it was redeemed, so that a second use
// is noticed.
type code struct {
	grant       *grant
	redirectURI string
	expires     time.Time
	used        bool
}

// grant is what a person, or a client for itself, allowed. All tokens that
// come from it are revoked together. Only revoked changes.
type grant struct {
	clientID string
	user     string // "": the client acts for itself
	scopes   []string
	nonce    string
	acr      string
	amr      []string
	authTime time.Time
	sid      string
	revoked  bool
}

type accessToken struct {
	grant           *grant
	scopes          []string
	issued, expires time.Time
}

// refreshToken stays after it was replaced, so that a second use is noticed.
type refreshToken struct {
	grant    *grant
	replaced bool
}

// newCode issues an authorization code.
func (t *tokens) newCode(g *grant, redirectURI string) string {
	key := rand.Text()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.codes.Put(key, &code{grant: g, redirectURI: redirectURI, expires: time.Now().Add(codeLifetime)}, codeLifetime+refreshLifetime)
	return key
}

// issueAccess makes an access token and the answer that carries it. It is called with the lock
// held.
func (t *tokens) issueAccess(g *grant, scopes []string) (answer map[string]any, token string) {
	settings := t.knobs.get()
	now, lifetime := time.Now(), settings.AccessLifetime
	token = oauth.NewUUID() + filler(settings.Padding/3)
	t.access.Put(token, &accessToken{g, scopes, now, now.Add(lifetime)}, lifetime)
	return map[string]any{
		"access_token": token, "token_type": "bearer",
		"expires_in": max(int64(lifetime/time.Second), 0), "scope": strings.Join(scopes, " "),
	}, token
}

// issueRefresh is called with the lock held.
func (t *tokens) issueRefresh(g *grant) string {
	token := oauth.NewUUID() + filler(t.knobs.get().Padding/3)
	t.refresh.Put(token, &refreshToken{grant: g}, refreshLifetime)
	return token
}

// accessToken returns an access token that is valid now.
func (t *tokens) accessToken(token string) (*accessToken, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found, ok := t.access.Get(token)
	if !ok || found.grant.revoked {
		return nil, false
	}
	return found, true
}

// protectionClient returns the client whose protection API access token (PAT) the request carries.
// It answers the request itself when there is none.
func (t *tokens) protectionClient(w http.ResponseWriter, r *http.Request) (clientID string, ok bool) {
	token, ok := t.accessToken(oauth.Bearer(r))
	if ok && slices.Contains(token.scopes, "uma_protection") {
		return token.grant.clientID, true
	}
	oauth.WriteInvalidToken(w, "a token with the scope uma_protection is needed")
	return "", false
}

// filler returns n characters that do not compress away.
func filler(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:max(n, 0)]
}
