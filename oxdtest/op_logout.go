package oxdtest

import (
	"context"
	"crypto/rand"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// This file holds how the clients of a session learn that it has ended: by the
// frames of the logout page (OpenID Connect Front-Channel Logout 1.0) and by
// logout tokens (OpenID Connect Back-Channel Logout 1.0).

const (
	opLogoutEvent         = "http://schemas.openid.net/event/backchannel-logout"
	opLogoutTokenLifetime = 2 * time.Minute
	opLogoutTimeout       = 10 * time.Second // for a client to take a logout token
)

// SetBackchannelLogoutURI makes the Provider send logout tokens for the clients
// with this redirect URI, as if they had registered backchannel_logout_uri,
// which oxd 3.1.1 cannot do. "" ends that, which is the default. The tokens are
// sent before the end-session endpoint answers, each for at most 10 seconds.
func (p *Provider) SetBackchannelLogoutURI(redirectURI, logoutURI string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.backchannel == nil {
		p.backchannel = map[string]string{}
	}
	p.backchannel[redirectURI] = logoutURI
}

// LogoutTokensTaken returns how many of the logout tokens that were sent got
// the answer 200.
func (p *Provider) LogoutTokensTaken() int {
	return p.count(func(c *opCounts) int { return c.logoutTokensTaken })
}

// LogoutToken makes a logout token for the newest client with this redirect URI, signed
// by the Provider, without sending it. It has iss, aud, iat, exp, jti and events.
// change adds claims, at least sub or sid for a token that can be used, and
// replaces or, with nil, removes the others. It panics when there is no such
// client.
func (p *Provider) LogoutToken(redirectURI string, change map[string]any) string {
	p.mu.Lock()
	var newest *opClient
	for _, c := range p.clients {
		if slices.Contains(c.meta.RedirectURIs, redirectURI) && (newest == nil || c.issued.After(newest.issued)) {
			newest = c
		}
	}
	p.mu.Unlock()
	if newest == nil {
		panic("oxdtest: there is no client with the redirect URI " + redirectURI)
	}
	return p.logoutToken(newest.id, change)
}

func (p *Provider) logoutToken(clientID string, change map[string]any) string {
	now := time.Now()
	claims := map[string]any{
		"iss": p.URL, "aud": clientID, "iat": now.Unix(), "exp": now.Add(opLogoutTokenLifetime).Unix(), "jti": rand.Text(),
		"events": map[string]any{opLogoutEvent: map[string]any{}},
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token, err := opSign(claims)
	if err != nil {
		panic("oxdtest: LogoutToken: " + err.Error())
	}
	return token
}

// joinSession notes that a client was told about a session. It is called with
// the lock held.
func (p *Provider) joinSession(session *opSession, client *opClient) {
	told, _ := p.joined.get(session.sid)
	if !slices.Contains(told, client.id) {
		told = append(slices.Clone(told), client.id)
	}
	p.joined.put(session.sid, told, opSessionLifetime)
}

// announceLogout sends the logout tokens and returns the frames of the logout
// page.
func (p *Provider) announceLogout(ctx context.Context, ended []*opSession) (frames []string) {
	for _, session := range ended {
		p.mu.Lock()
		told, _ := p.joined.take(session.sid)
		sub := p.users[session.user].sub
		p.mu.Unlock()
		for _, id := range told {
			client := p.client(id)
			for _, uri := range slices.Concat(client.meta.FrontchannelLogoutURI, client.meta.FrontchannelLogoutURIs) {
				frames = append(frames, opAddQuery(uri, url.Values{"iss": {p.URL}, "sid": {session.sid}}))
			}
			p.sendLogoutToken(ctx, client, map[string]any{"sub": sub, "sid": session.sid})
		}
	}
	return frames
}

func (p *Provider) sendLogoutToken(ctx context.Context, client *opClient, change map[string]any) {
	target := ""
	p.mu.Lock()
	for _, uri := range client.meta.RedirectURIs {
		if to := p.backchannel[uri]; to != "" {
			target = to
		}
	}
	p.mu.Unlock()
	if target == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, opLogoutTimeout)
	defer cancel()
	form := url.Values{"logout_token": {p.logoutToken(client.id, change)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.http.Do(req)
	if err != nil {
		return // a client that is away does not keep the others from being told
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, opMaxBody))
	_ = res.Body.Close()
	if res.StatusCode == http.StatusOK {
		p.mu.Lock()
		p.counts.logoutTokensTaken++
		p.mu.Unlock()
	}
}

// opLogoutPage loads the frames and goes on to the target, "" for nowhere, after
// a second.
func opLogoutPage(w http.ResponseWriter, frames []string, target string) {
	if target != "" {
		w.Header().Set("Refresh", "1; url="+target)
	}
	opRender(w, http.StatusOK, "logout", opPage{Title: "You are signed out", Frames: frames, Continue: target})
}
