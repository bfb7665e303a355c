package oxdtest

// The OpenID Connect commands: authorization URL, tokens, userinfo, logout.

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// authorizationURL puts the URL together as text, part of it unencoded, like the real one.
func (x *execution) authorizationURL() (any, error) {
	p := x.params
	scope, acrs, prompt, hd, custom := p.list("scope"), p.list("acr_values"), p.str("prompt"), p.str("hd"), p.dict("custom_parameters")
	var chosen chosen4
	if x.v4 {
		chosen = chosen4{p.str("state"), p.str("nonce"), p.str("redirect_uri"), p.dict("params")}
	}
	if err := x.bound(true); err != nil {
		return nil, err
	}
	m, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath)
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
	target := m.Authorization + "?response_type=code&client_id=" + x.site.client.id + "&redirect_uri=" + redirectURI +
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
		target += "&custom_response_headers=" + url.QueryEscape(strings.ReplaceAll(marshal(pairs), "/", `\/`))
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

var (
	errNotRegistered = Errorf("redirect_uri_is_not_registered", "Redirect URI is not registered.")
	errBadCode       = Errorf("bad_request", "'code' is invalid.")
	errNoRefresh     = Errorf("bad_request", "'refresh token' is empty or not specified.")
)

// tokensByCode exchanges a code. The state is checked for being known to this server and nothing else, and is consumed only
// when everything has gone well; the nonce has to be any live one.
func (x *execution) tokensByCode() (any, error) {
	code, state := x.params.str("code"), x.params.str("state")
	if err := x.bound(true, x.checkCodeAndState(code, state)); err != nil {
		return nil, err
	}
	m, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath)
	if err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	redirectURI := x.site.redirectURI
	x.engine.mu.Unlock()
	answer, err := x.engine.op.token(x.ctx, m.Token, x.site.client, map[string]string{"grant_type": "authorization_code", "code": code, "redirect_uri": redirectURI})
	var refused *opFailure
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
		return nil, errInternal
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
func tokens4(answer *tokenAnswer) (any, error) {
	j, err := parseJWT(answer.IDToken)
	if err != nil {
		return nil, err
	}
	expires := int64(-1)
	if answer.ExpiresIn != nil {
		expires = *answer.ExpiresIn
	}
	return map[string]any{
		"access_token": answer.AccessToken, "expires_in": expires, "id_token": answer.IDToken, "refresh_token": answer.RefreshToken, "id_token_claims": j.claims,
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
func (x *execution) refreshToken() (any, error) {
	token, scope := x.params.str("refresh_token"), x.params.list("scope")
	if err := x.bound(false); err != nil {
		return nil, err
	}
	if x.v4 && token == "" {
		return nil, errNoRefresh
	}
	m, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath)
	if err != nil {
		return nil, err
	}
	answer, err := x.engine.op.token(x.ctx, m.Token, x.site.client, map[string]string{"grant_type": "refresh_token", "refresh_token": token, "scope": withOpenID(scope)})
	if err != nil {
		return nil, err
	}
	return x.scopedToken(answer)
}

// userInfo reports the provider's errors as success, with their keys taken out.
func (x *execution) userInfo() (any, error) {
	token := x.params.str("access_token")
	if err := x.bound(true); err != nil {
		return nil, err
	}
	m, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath)
	if err != nil {
		return nil, err
	}
	var authorize func(*http.Request)
	if strings.TrimSpace(token) != "" {
		authorize = bearer(token)
	}
	_, body, err := x.engine.op.do(x.ctx, http.MethodGet, m.UserInfo, "", "", authorize)
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
	}{Claims: claimStrings(raw)}, nil
}

// claimStrings makes every claim an array of strings.
func claimStrings(raw map[string]json.RawMessage) map[string][]string {
	claims := make(map[string][]string, len(raw))
	for name, value := range raw {
		var list []json.RawMessage
		if json.Unmarshal(value, &list) != nil || list == nil {
			list = []json.RawMessage{value}
		}
		claims[name] = make([]string, len(list))
		for i, element := range list {
			var text string
			if json.Unmarshal(element, &text) != nil || element[0] != '"' {
				text = string(element)
			}
			claims[name][i] = text
		}
	}
	return claims
}

// logoutURI falls back to the last ID token of whoever logged in at this site.
func (x *execution) logoutURI() (any, error) {
	p := x.params
	hint, redirect, state, sessionState := p.str("id_token_hint"), p.str("post_logout_redirect_uri"), p.str("state"), p.str("session_state")
	if err := x.bound(true); err != nil {
		return nil, err
	}
	m, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath)
	if err != nil {
		return nil, err
	}
	if m.EndSession == "" && strings.HasPrefix(x.site.opHost, "https://accounts.google.com") {
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
			return nil, errInternal
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
func (x *execution) validate() (any, error) {
	code, state, token := x.params.str("code"), x.params.str("state"), x.params.str("id_token")
	x.params.str("access_token")
	x.params.str("nonce")
	var given error
	if token != "" {
		given = errIDTokenGiven
	}
	if err := x.bound(true, x.checkCodeAndState(code, state), given); err != nil {
		return nil, err
	}
	return nil, errInternal
}

func (x *execution) idTokenStatus() (any, error) {
	token := x.params.str("id_token")
	x.params.str("nonce")
	if err := x.bound(true); err != nil {
		return nil, err
	}
	if _, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath); err != nil {
		return nil, err
	}
	j, err := parseJWT(token)
	if err != nil {
		return nil, err
	}
	active := x.verifyIDToken(j) == nil
	return struct {
		Active    bool                `json:"active"`
		Claims    map[string][]string `json:"claims"`
		ExpiresAt int64               `json:"expires_at"`
		IssuedAt  int64               `json:"issued_at"`
	}{active, claimStrings(j.claims), j.number("exp"), j.number("iat")}, nil
}

// accessTokenStatus compares at_hash and does not ask the provider about the token; its times are milliseconds or null.
func (x *execution) accessTokenStatus() (any, error) {
	token, access := x.params.str("id_token"), x.params.str("access_token")
	if err := x.bound(true); err != nil {
		return nil, err
	}
	if _, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath); err != nil {
		return nil, err
	}
	j, err := parseJWT(token)
	if err != nil {
		return nil, err
	}
	millis := func(name string) any {
		if seconds := j.number(name); seconds != 0 {
			return seconds * 1000
		}
		return nil
	}
	return struct {
		Active    bool `json:"active"`
		ExpiresAt any  `json:"expires_at"`
		IssuedAt  any  `json:"issued_at"`
	}{j.hashes(access), millis("exp"), millis("iat")}, nil
}

// checkIDToken does what oxd does, in its order. Whatever is wrong with the token itself gets one and the same code.
func (x *execution) checkIDToken(answer *tokenAnswer) (map[string][]string, error) {
	j, err := parseJWT(answer.IDToken)
	if err != nil {
		return nil, err
	}
	nonce := j.text("nonce")
	switch {
	case nonce == "":
		return nil, errInternal
	case !x.engine.known(x.engine.nonces, nonce):
		return nil, errBadNonce
	case x.verifyIDToken(j) != nil:
		return nil, errBadIDToken
	case !j.hashes(answer.AccessToken):
		return nil, errBadHash
	}
	return claimStrings(j.claims), nil
}

func (x *execution) verifyIDToken(j *jwt) error {
	m, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath)
	if err != nil {
		return err
	}
	if !strings.EqualFold(j.text("aud"), x.site.client.id) || j.expired() || j.text("iss") != m.Issuer || !slices.Contains([]string{"RS256", "RS384", "RS512"}, j.alg) {
		return errInternal
	}
	key, err := x.engine.op.key(x.ctx, m.JWKS, j.kid, false)
	if err == nil && j.verify(key) != nil {
		key, err = x.engine.op.key(x.ctx, m.JWKS, j.kid, true)
	}
	if err != nil {
		return err
	}
	return j.verify(key)
}
