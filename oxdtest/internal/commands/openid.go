// The OpenID Connect commands: authorization URL, tokens, userinfo, logout.

package commands

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/idp"
)

// authorizationURL puts the URL together as text, part of it unencoded, like the real one.
func authorizationURL(x *execution) (any, error) {
	p := x.params
	scope, acrs, prompt, hd, custom := p.List("scope"), p.List("acr_values"), p.Text("prompt"), p.Text("hd"), p.Dict("custom_parameters")
	var chosen chosen4
	if x.v4 {
		chosen = chosen4{p.Text("state"), p.Text("nonce"), p.Text("redirect_uri"), p.Dict("params")}
	}
	if err := x.bound(true); err != nil {
		return nil, err
	}
	m, err := x.connect()
	if err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	redirectURI := x.site.redirectURI
	if len(scope) == 0 {
		scope = x.site.scope
	}
	if len(acrs) == 0 {
		acrs = x.site.acrValues
	}
	registered := x.site.redirectURIs
	x.engine.mu.Unlock()
	if chosen.redirectURI != "" {
		if redirectURI = chosen.redirectURI; !slices.Contains(registered, redirectURI) {
			return nil, errNotRegistered
		}
	}
	target := m.Authorization + "?response_type=code&client_id=" + x.site.client.ID + "&redirect_uri=" + redirectURI +
		"&scope=" + url.QueryEscape(strings.Join(scope, " ")) + "&state=" + x.engine.value(x.engine.states, chosen.state) + "&nonce=" + x.engine.value(x.engine.nonces, chosen.nonce)
	if joined := strings.Join(acrs, " "); strings.TrimSpace(joined) != "" {
		target += "&acr_values=" + url.QueryEscape(joined)
	}
	if prompt != "" {
		target += "&prompt=" + prompt
	}
	if hd != "" {
		target += "&hd=" + hd
	}
	if len(custom) > 0 {
		var pairs []map[string]string
		for name, value := range custom {
			pairs = append(pairs, map[string]string{name: value})
		}
		target += "&custom_response_headers=" + url.QueryEscape(strings.ReplaceAll(oxdwire.Marshal(pairs), "/", `\/`))
	}
	if len(chosen.params) > 0 {
		more := url.Values{}
		for name, value := range chosen.params {
			more.Set(name, value)
		}
		target += "&" + more.Encode()
	}
	return struct {
		URL string `json:"authorization_url"`
	}{target}, nil
}

// chosen4 is what oxd 4 lets a caller choose.
type chosen4 struct {
	state, nonce, redirectURI string
	params                    map[string]string
}

// tokensByCode exchanges a code. The state is checked for being known to this server and nothing
// else, and is consumed only when everything has gone well; the nonce has to be any live one.
func tokensByCode(x *execution) (any, error) {
	code, state := x.params.Text("code"), x.params.Text("state")
	if err := x.bound(true, x.checkCodeAndState(code, state)); err != nil {
		return nil, err
	}
	m, err := x.connect()
	if err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	redirectURI := x.site.redirectURI
	x.engine.mu.Unlock()
	answer, err := x.engine.op.Token(x.ctx, m.Token, x.site.client, map[string]string{"grant_type": "authorization_code", "code": code, "redirect_uri": redirectURI})
	var refused *idp.Failure
	switch {
	case x.v4 && errors.As(err, &refused):
		return nil, errBadCode
	case err != nil:
		return nil, err
	case answer.IDToken == "":
		return nil, errNoIDToken
	case answer.AccessToken == "":
		return nil, errNoAccessToken
	}
	claims, err := x.checkIDToken(answer)
	if err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	delete(x.engine.states, state)
	x.site.idToken = answer.IDToken
	x.engine.mu.Unlock()
	if x.v4 {
		return tokens4(answer)
	}
	if answer.ExpiresIn == nil {
		return nil, idp.ErrInternal
	}
	return struct {
		AccessToken  string              `json:"access_token"`
		ExpiresIn    int64               `json:"expires_in"`
		IDToken      string              `json:"id_token"`
		RefreshToken *string             `json:"refresh_token"`
		Claims       map[string][]string `json:"id_token_claims"`
	}{answer.AccessToken, *answer.ExpiresIn, answer.IDToken, answer.RefreshToken, claims}, nil
}

// tokens4 has the claims as the ID token has them.
func tokens4(answer *idp.Tokens) (any, error) {
	j, err := idp.ParseIDToken(answer.IDToken)
	if err != nil {
		return nil, err
	}
	expires := int64(-1)
	if answer.ExpiresIn != nil {
		expires = *answer.ExpiresIn
	}
	return map[string]any{
		"access_token": answer.AccessToken, "expires_in": expires, "id_token": answer.IDToken, "refresh_token": answer.RefreshToken, "id_token_claims": j.Claims,
	}, nil
}

func (x *execution) checkCodeAndState(code, state string) error {
	switch {
	case code == "":
		return errNoCode
	case state == "":
		return errNoState
	case !x.engine.known(x.engine.states, state):
		return errUnknownState
	}
	return nil
}

// refreshToken is never protected in 3.1.1.
func refreshToken(x *execution) (any, error) {
	token, scope := x.params.Text("refresh_token"), x.params.List("scope")
	if err := x.bound(false); err != nil {
		return nil, err
	}
	if x.v4 && token == "" {
		return nil, errNoRefresh
	}
	m, err := x.connect()
	if err != nil {
		return nil, err
	}
	answer, err := x.engine.op.Token(x.ctx, m.Token, x.site.client, map[string]string{"grant_type": "refresh_token", "refresh_token": token, "scope": withOpenID(scope)})
	if err != nil {
		return nil, err
	}
	return newScopedToken(answer, x.v4)
}

// userInfo reports the provider's errors as success, with their keys taken out.
func userInfo(x *execution) (any, error) {
	token := x.params.Text("access_token")
	if err := x.bound(true); err != nil {
		return nil, err
	}
	m, err := x.connect()
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(token) == "" {
		token = ""
	}
	_, body, err := x.engine.op.Send(x.ctx, http.MethodGet, m.UserInfo, token, "")
	if err != nil {
		return nil, err
	}
	if x.v4 && json.Valid(body) {
		return json.RawMessage(body), nil // errors of the provider included
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal(body, &raw) != nil {
		raw = nil
	}
	for _, name := range []string{"error", "error_description", "error_uri"} {
		delete(raw, name)
	}
	return struct {
		Claims       map[string][]string `json:"claims"`
		RefreshToken any                 `json:"refresh_token"`
		AccessToken  any                 `json:"access_token"`
	}{Claims: idp.ClaimStrings(raw)}, nil
}

// logoutURI falls back to the last ID token that the site got, for whichever person.
func logoutURI(x *execution) (any, error) {
	p := x.params
	hint, redirect, state, sessionState := p.Text("id_token_hint"), p.Text("post_logout_redirect_uri"), p.Text("state"), p.Text("session_state")
	if err := x.bound(true); err != nil {
		return nil, err
	}
	m, err := x.connect()
	if err != nil {
		return nil, err
	}
	if m.EndSession == "" && strings.HasPrefix(x.site.host.Address, "https://accounts.google.com") {
		if redirect == "" {
			redirect = x.site.postLogout // here, and only here, the registered one counts
		}
		return logoutAnswer{"https://www.google.com/accounts/Logout?continue=https://appengine.google.com/_ah/logout?continue=" + redirect}, nil
	}
	if m.EndSession == "" {
		return nil, errNoEndSession
	}
	if x.v4 {
		return logoutURI4(m.EndSession, [][2]string{{"post_logout_redirect_uri", redirect}, {"state", state}, {"session_state", sessionState}, {"id_token_hint", hint}}), nil
	}
	if hint == "" {
		x.engine.mu.Lock()
		hint = x.site.idToken
		x.engine.mu.Unlock()
		if hint == "" {
			return nil, idp.ErrInternal
		}
	}
	target := m.EndSession + "?id_token_hint=" + hint
	if redirect != "" {
		target += "&post_logout_redirect_uri=" + url.QueryEscape(redirect)
	}
	if state != "" {
		target += "&state=" + state
	}
	if sessionState != "" {
		target += "&session_state=" + sessionState
	}
	return logoutAnswer{target}, nil
}

// logoutURI4 has no fallback for the hint.
func logoutURI4(endpoint string, parameters [][2]string) logoutAnswer {
	separator := "?"
	if strings.Contains(endpoint, "?") {
		separator = "&"
	}
	for _, p := range parameters {
		if p[1] != "" {
			endpoint += separator + p[0] + "=" + url.QueryEscape(p[1])
			separator = "&"
		}
	}
	return logoutAnswer{endpoint}
}

type logoutAnswer struct {
	URI string `json:"uri"`
}

// validate cannot succeed in 3.1.1: its test for the ID token is the wrong way round.
func validate(x *execution) (any, error) {
	code, state, token := x.params.Text("code"), x.params.Text("state"), x.params.Text("id_token")
	x.params.Text("access_token")
	x.params.Text("nonce")
	var given error
	if token != "" {
		given = errIDTokenGiven
	}
	if err := x.bound(true, x.checkCodeAndState(code, state), given); err != nil {
		return nil, err
	}
	return nil, idp.ErrInternal
}

// readIDToken finishes the reading of parameters, connects, and parses an ID token that was given.
func (x *execution) readIDToken(token string) (*idp.IDToken, error) {
	if err := x.bound(true); err != nil {
		return nil, err
	}
	if _, err := x.connect(); err != nil {
		return nil, err
	}
	return idp.ParseIDToken(token)
}

func idTokenStatus(x *execution) (any, error) {
	token := x.params.Text("id_token")
	x.params.Text("nonce")
	j, err := x.readIDToken(token)
	if err != nil {
		return nil, err
	}
	active := x.verifyIDToken(j) == nil
	return struct {
		Active    bool                `json:"active"`
		Claims    map[string][]string `json:"claims"`
		ExpiresAt int64               `json:"expires_at"`
		IssuedAt  int64               `json:"issued_at"`
	}{active, idp.ClaimStrings(j.Claims), j.Number("exp"), j.Number("iat")}, nil
}

// accessTokenStatus compares at_hash and does not ask the provider about the token; its times are
// milliseconds or null.
func accessTokenStatus(x *execution) (any, error) {
	token, access := x.params.Text("id_token"), x.params.Text("access_token")
	j, err := x.readIDToken(token)
	if err != nil {
		return nil, err
	}
	millis := func(name string) any {
		if seconds := j.Number(name); seconds != 0 {
			return seconds * 1000
		}
		return nil
	}
	return struct {
		Active    bool `json:"active"`
		ExpiresAt any  `json:"expires_at"`
		IssuedAt  any  `json:"issued_at"`
	}{j.HashMatches(access), millis("exp"), millis("iat")}, nil
}

// checkIDToken does what oxd does, in its order. Whatever is wrong with the token itself gets one
// and the same code.
func (x *execution) checkIDToken(answer *idp.Tokens) (map[string][]string, error) {
	j, err := idp.ParseIDToken(answer.IDToken)
	if err != nil {
		return nil, err
	}
	nonce := j.Text("nonce")
	switch {
	case nonce == "":
		return nil, idp.ErrInternal
	case !x.engine.known(x.engine.nonces, nonce):
		return nil, errBadNonce
	case x.verifyIDToken(j) != nil:
		return nil, errBadIDToken
	case !j.HashMatches(answer.AccessToken):
		return nil, errBadHash
	}
	return idp.ClaimStrings(j.Claims), nil
}

func (x *execution) verifyIDToken(j *idp.IDToken) error {
	m, err := x.connect()
	if err != nil {
		return err
	}
	return j.Verify(x.ctx, x.engine.op, m, x.site.client.ID)
}
