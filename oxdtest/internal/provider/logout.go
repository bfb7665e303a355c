// How the clients of a session are notified that it has ended: by the frames of the logout page
// (OpenID Connect Front-Channel Logout 1.0) and by logout tokens (OpenID Connect Back-Channel
// Logout 1.0).

package provider

import (
	"context"
	"crypto/rand"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
)

const (
	logoutEvent         = "http://schemas.openid.net/event/backchannel-logout"
	logoutTokenLifetime = 2 * time.Minute
	logoutTimeout       = 10 * time.Second // for a client to take a logout token
)

// logouts is safe for concurrent use.
type logouts struct {
	issuer  string
	http    *http.Client // to the clients
	knobs   *knobs
	clients *clients

	mu          sync.Mutex            // guards the rest
	joined      oauth.Store[[]string] // ids of the clients that use a session, by sid
	backchannel map[string]string     // logout URIs, by redirect URI
}

func (l *logouts) setBackchannel(redirectURI, logoutURI string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.backchannel == nil {
		l.backchannel = map[string]string{}
	}
	l.backchannel[redirectURI] = logoutURI
}

// token returns a logout token. The changes add and replace claims or, with nil, remove them. It
// panics when a change cannot be encoded.
func (l *logouts) token(clientID string, change map[string]any) string {
	now := time.Now()
	claims := map[string]any{
		"iss": l.issuer, "aud": clientID, "iat": now.Unix(), "exp": now.Add(logoutTokenLifetime).Unix(), "jti": rand.Text(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	maps.Copy(claims, change)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	token, err := sign(claims)
	if err != nil {
		panic("oxdtest: LogoutToken: " + err.Error())
	}
	return token
}

// join records that a client uses a session.
func (l *logouts) join(session *browserSession, client *Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	joined, _ := l.joined.Get(session.sid)
	if !slices.Contains(joined, client.ID) {
		joined = append(slices.Clone(joined), client.ID)
	}
	l.joined.Put(session.sid, joined, sessionLifetime)
}

// announce notifies the clients of a session of the subject that has ended. It sends the logout
// tokens and returns the frames of the logout page.
func (l *logouts) announce(ctx context.Context, sid, sub string) (frames []string) {
	l.mu.Lock()
	joined, _ := l.joined.Take(sid)
	l.mu.Unlock()
	for _, id := range joined {
		client := l.clients.get(id)
		for _, uri := range slices.Concat(client.meta.FrontchannelLogoutURI, client.meta.FrontchannelLogoutURIs) {
			frames = append(frames, oauth.AddQuery(uri, url.Values{"iss": {l.issuer}, "sid": {sid}}))
		}
		l.send(ctx, client, map[string]any{"sub": sub, "sid": sid})
	}
	return frames
}

// send sends a logout token where a test wants one. A client that is away does not keep the others
// from being notified.
func (l *logouts) send(ctx context.Context, client *Client, change map[string]any) {
	target := ""
	l.mu.Lock()
	for _, uri := range client.meta.RedirectURIs {
		if to := l.backchannel[uri]; to != "" {
			target = to
		}
	}
	l.mu.Unlock()
	if target == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	form := url.Values{"logout_token": {l.token(client.ID, change)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := l.http.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody))
	_ = res.Body.Close()
	if res.StatusCode == http.StatusOK {
		l.knobs.count(func(c *Counts) { c.LogoutTokensTaken++ })
	}
}
