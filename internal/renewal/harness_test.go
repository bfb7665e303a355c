package renewal_test

// An oxd that answers as the test says, and browsers whose sessions are renewed.

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/oxd"
)

// fakeOxd answers refreshes and, if it has something to say, userinfo.
type fakeOxd struct {
	refreshes, userinfos atomic.Int32
	answer, userinfo     func(ctx context.Context, n int32) (data string, err error)
}

func (f *fakeOxd) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	answer, count := f.answer, &f.refreshes
	switch {
	case req.Command == "get_user_info" && f.userinfo != nil:
		answer, count = f.userinfo, &f.userinfos
	case req.Command != "get_access_token_by_refresh_token":
		return nil, errors.New("unexpected " + req.Command)
	}
	data, err := answer(ctx, count.Add(1))
	if err != nil {
		return nil, err
	}
	if code, refused := strings.CutPrefix(data, "error "); refused {
		return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"` + code + `","error_description":""}`)}, nil
	}
	return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
}

const refreshed = `{"access_token":"new","refresh_token":"next","expires_in":300,"scope":"openid"}`

// always returns an answer that is the same each time.
func always(data string) func(context.Context, int32) (string, error) {
	return func(context.Context, int32) (string, error) { return data, nil }
}

func newGroup(t testing.TB, transport oxd.Transport, configure ...func(*renewal.Config)) *renewal.Group {
	t.Helper()
	client, err := oxd.NewClient(transport, oxd.Site{OxdID: "site"})
	require.NoError(t, err)
	c := renewal.Config{
		Client: client, Breaker: new(limit.Breaker), Idle: time.Hour,
		OnResult: func(context.Context, *session.Identity, error) {},
	}
	for _, f := range configure {
		f(&c)
	}
	return renewal.New(c)
}

// browser has a session and keeps what it is renewed to, as far as it comes to it.
type browser struct {
	group  *renewal.Group
	v      *session.Identity
	tokens *session.Tokens
	read   renewal.ReadTokens // nil: as from cookies
}

// newBrowser returns a browser whose access token has this lifetime; zero: it is not known.
func newBrowser(g *renewal.Group, lifetime time.Duration) *browser {
	now := time.Now()
	v := &session.Identity{
		ID: session.NewID(), Subject: "alice", Issuer: "https://idp.example",
		Created: now.Unix(), ClaimsAt: now.Unix(), Expires: now.Add(12 * time.Hour).Unix(),
	}
	v.AccessExpires, v.RefreshAt = session.Schedule(now, lifetime, true)
	return &browser{group: g, v: v, tokens: &session.Tokens{ID: v.ID, Access: "old", Refresh: "first", IDToken: "id"}}
}

func (b *browser) copy() *browser { twin := *b; return &twin }

// visit is what a request does: it goes on with the successor there is, and renews what is due. It
// returns the session of the request, and the error after which there is none.
func (b *browser) visit() (token string, err error) {
	token, _, err = b.visitFor(context.Background())
	return token, err
}

func (b *browser) visitFor(ctx context.Context) (token string, renewed bool, err error) {
	v, tokens := b.v, (*session.Tokens)(nil)
	if newer := b.group.Successor(v); newer.Identity != nil {
		v, tokens, renewed = newer.Identity, newer.Tokens, true
	}
	if need := b.group.Due(v, time.Now()); need.Any() {
		newer, err := b.group.Renew(ctx, v, tokens, need, b.readTokens)
		if err != nil {
			return "", false, err
		}
		if newer.Identity != nil {
			v, tokens, renewed = newer.Identity, newer.Tokens, true
		}
	}
	if renewed {
		b.v, b.tokens = v, tokens
	}
	if _, tokens, err = b.readTokens(ctx, v); err != nil || tokens == nil {
		return "", renewed, err
	}
	return tokens.Access, renewed, nil
}

func (b *browser) readTokens(ctx context.Context, v *session.Identity) (*session.Identity, *session.Tokens, error) {
	if b.read != nil {
		return b.read(ctx, v)
	}
	if b.tokens == nil || b.tokens.ID != v.ID || b.tokens.Generation < v.Generation {
		return v, nil, nil
	}
	newer := *v
	newer.Generation = b.tokens.Generation
	return &newer, b.tokens, nil
}
