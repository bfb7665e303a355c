package main

// oxdauth as an application uses it, with the cookies of real logins.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

const cookieName = "__Host-oxdauth"

var quiet = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelInfo}))

// app is one middleware, a second one that shall rotate its keys, and what browsers send to them.
type app struct {
	auth, rotated *oxdauth.Middleware
	crowded       *oxdauth.Middleware // has seven previous keys
	cookies       map[string]string   // by payload: the Cookie header of a browser after a login
	sessions      map[string]*session // by payload
}

// newApp signs in once per payload, at an oxd and a provider that end afterwards: reading a session
// needs neither.
func newApp() (*app, error) {
	srv := oxdtest.NewServer()
	defer srv.Close()
	a := &app{cookies: map[string]string{}, sessions: map[string]*session{}}
	oxdTransport := &resized{Transport: srv.Transport()}
	var err error
	base := srv.ServeApp(func(base string) http.Handler {
		err = a.build(oxdTransport, srv.Site(base+"/auth/callback"))
		if err != nil {
			return http.NotFoundHandler()
		}
		return a.auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			s, _ := oxdauth.SessionFromContext(r.Context())
			a.sessions[oxdTransport.payload.name] = copySession(s)
		}))
	})
	if err != nil {
		return nil, err
	}
	for _, p := range payloads {
		oxdTransport.payload = p
		if a.cookies[p.name], err = logIn(srv.Browser(), base); err != nil {
			return nil, err
		}
		if a.sessions[p.name] == nil {
			return nil, errors.New("the login did not lead to a session")
		}
	}
	return a, nil
}

func (a *app) build(t oxd.Transport, site oxd.Site) error {
	client, err := oxd.NewClient(t, site)
	if err != nil {
		return err
	}
	keys := make([][]byte, 8)
	for i := range keys {
		keys[i] = random(32)
	}
	for _, m := range []struct {
		dst  **oxdauth.Middleware
		keys oxdauth.Option
	}{
		{&a.auth, oxdauth.WithKeys(keys[0])},
		{&a.rotated, oxdauth.WithKeys(keys[1], keys[0])},
		{&a.crowded, oxdauth.WithKeys(keys[0], keys[1:]...)},
	} {
		if *m.dst, err = oxdauth.New(client, m.keys, oxdauth.WithLogger(quiet)); err != nil {
			return err
		}
	}
	return nil
}

func copySession(s *oxdauth.Session) *session {
	return &session{
		Subject: s.Subject, Issuer: s.Issuer, SID: s.SID, ACR: s.ACR,
		Name: s.Claims.Get("name"), Email: s.Claims.Get("email"), Username: s.Claims.Get("preferred_username"),
		Created: s.Created.Unix(), Expires: s.Expires.Unix(),
		Access: s.AccessToken().Reveal(), Refresh: jwt(len(s.AccessToken().Reveal())), IDToken: s.IDToken().Reveal(),
	}
}

// logIn returns the Cookie header of a browser that has signed in.
func logIn(b *oxdtest.Browser, base string) (string, error) {
	res, err := b.LogIn(base+"/", "alice", "alice-secret")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("login: %s", res.Status)
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	var pairs []string
	for _, c := range b.Jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; "), nil
}

// resized returns the tokens of a login the size of a payload.
type resized struct {
	oxd.Transport
	payload payload
}

func (t *resized) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	res, err := t.Transport.RoundTrip(ctx, req)
	if err != nil || req.Command != "get_tokens_by_code" || res.Status != "ok" {
		return res, err
	}
	var data map[string]any
	if err := json.Unmarshal(res.Data, &data); err != nil {
		return nil, err
	}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		data[name] = jwt(t.payload.token)
	}
	data["expires_in"] = 86400 // no refresh falls due while measuring
	res.Data, err = json.Marshal(data)
	return res, err
}

// cookie returns the value of one cookie out of a Cookie header.
func cookie(header, name string) string {
	for pair := range strings.SplitSeq(header, "; ") {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// theApp is shared by all that is measured: a login takes its time.
var theApp = sync.OnceValues(newApp)
