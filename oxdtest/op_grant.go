package oxdtest

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// This file holds what tokens stand for, and how they are issued and looked up.

// opGrant is what a person, or a client for itself, allowed. All tokens that
// come from it are revoked together. Only revoked changes, with the lock held.
type opGrant struct {
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

type opAccessToken struct {
	grant           *opGrant
	scopes          []string
	issued, expires time.Time
}

// opRefreshToken stays after it was replaced, so that a second use is noticed.
type opRefreshToken struct {
	grant    *opGrant
	replaced bool
}

// issueAccess makes an access token and the answer that carries it. It is
// called with the lock held.
func (p *Provider) issueAccess(grant *opGrant, scopes []string) (answer map[string]any, token string) {
	now, lifetime := time.Now(), p.knobs.accessLifetime
	token = opNewUUID() + opFiller(p.knobs.padding/3)
	p.access.put(token, &opAccessToken{grant, scopes, now, now.Add(lifetime)}, lifetime)
	return map[string]any{
		"access_token": token, "token_type": "bearer",
		"expires_in": max(int64(lifetime/time.Second), 0), "scope": strings.Join(scopes, " "),
	}, token
}

// issueRefresh is called with the lock held.
func (p *Provider) issueRefresh(grant *opGrant) string {
	token := opNewUUID() + opFiller(p.knobs.padding/3)
	p.refresh.put(token, &opRefreshToken{grant: grant}, opRefreshLifetime)
	return token
}

// accessToken finds an access token that is valid now. It is called with the
// lock held.
func (p *Provider) accessToken(token string) (*opAccessToken, bool) {
	t, ok := p.access.get(token)
	if !ok || t.grant.revoked {
		return nil, false
	}
	return t, true
}

// protectionToken finds the protection API access token (PAT) of a UMA
// resource server, and answers itself when there is none.
func (p *Provider) protectionToken(w http.ResponseWriter, r *http.Request) (clientID string, ok bool) {
	p.mu.Lock()
	token, ok := p.accessToken(opBearer(r))
	p.mu.Unlock()
	if ok && slices.Contains(token.scopes, "uma_protection") {
		return token.grant.clientID, true
	}
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	(&opError{http.StatusUnauthorized, "invalid_token", "a token with the scope uma_protection is needed"}).write(w)
	return "", false
}

func opNewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// opFiller returns n characters that do not compress away.
func opFiller(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:max(n, 0)]
}
