package oxdtest_test

// What the real server does and a client has to live with, numbered as traps.

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

func started(t *testing.T, cfg oxdtest.Config) *oxdtest.Server {
	t.Helper()
	s := oxdtest.NewUnstartedServer(cfg)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

type object = map[string]any

// codeAndState signs a user in and returns what the provider sends back.
func codeAndState(t *testing.T, s *oxdtest.Server, id, user, password string) (code, state string) {
	t.Helper()
	data, errorCode, description := send(t, s, "get_authorization_url", object{"oxd_id": id})
	require.Empty(t, errorCode, description)
	b := s.Browser()
	var back *url.URL
	b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Host == "app.example" {
			back = req.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := b.LogIn(data["authorization_url"].(string), user, password)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.NotNil(t, back)
	return back.Query().Get("code"), back.Query().Get("state")
}

func logIn(t *testing.T, s *oxdtest.Server, id, user, password string) map[string]any {
	t.Helper()
	code, state := codeAndState(t, s, id, user, password)
	data, errorCode, description := send(t, s, "get_tokens_by_code", object{"oxd_id": id, "code": code, "state": state})
	require.Empty(t, errorCode, description)
	return data
}

func TestBusinessFailuresLookLikeInternalErrorsAndClose(t *testing.T) {
	t.Parallel()
	t.Run("traps 03 and 04", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		id := register(t, s)
		_, state := codeAndState(t, s, id, "alice", "alice-secret")
		for name, body := range map[string]string{
			"an unknown oxd_id":       `{"command":"get_authorization_url","params":{"oxd_id":"nobody"}}`,
			"a bad refresh token":     `{"command":"get_access_token_by_refresh_token","params":{"oxd_id":"` + id + `","refresh_token":"x"}}`,
			"a bad code":              `{"command":"get_tokens_by_code","params":{"oxd_id":"` + id + `","code":"x","state":"` + state + `"}}`,
			"a bad ticket":            `{"command":"uma_rp_get_rpt","params":{"oxd_id":"` + id + `","ticket":"x"}}`,
			"a logout before a login": `{"command":"get_logout_uri","params":{"oxd_id":"` + id + `"}}`,
			"wrong client credentials": `{"command":"get_client_token","params":{"op_host":"` + s.Provider.URL +
				`","client_id":"x","client_secret":"y"}}`,
		} {
			got, closed := sendRaw(t, s, body)
			assert.Equal(t, internalFrame, got, name)
			assert.True(t, closed, name)
		}
		redis := started(t, oxdtest.Config{RedisErrors: true})
		_, code, _ := send(t, redis, "get_authorization_url", object{"oxd_id": "nobody"})
		assert.Equal(t, "invalid_oxd_id", code, "with redis as storage")
	})
}

func TestAnAnswerTooLongIsNeverSentThoughTheCommandHasRun(t *testing.T) {
	t.Parallel()
	t.Run("trap 05", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		s.Handle("get_user_info", func(json.RawMessage) (any, error) {
			return object{"claims": object{"groups": strings.Repeat("g", 10_000)}}, nil
		})
		got, closed := sendRaw(t, s, `{"command":"get_user_info","params":{}}`)
		assert.Empty(t, got)
		assert.True(t, closed)
		require.Len(t, s.Calls(), 1)
		assert.Empty(t, s.Calls()[0].Error, "it has run, and well")
	})
}

func TestStateAndNonceBelongToTheServerAndAreForgotten(t *testing.T) {
	t.Parallel()
	t.Run("traps 13 and 14", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		one, two := register(t, s), register(t, s)
		_, foreign := codeAndState(t, s, two, "bob", "bob-secret")
		code, _ := codeAndState(t, s, one, "alice", "alice-secret")
		data, errorCode, _ := send(t, s, "get_tokens_by_code", object{"oxd_id": one, "code": code, "state": foreign})
		assert.Empty(t, errorCode, "the state of another site, browser and login is as good as any")
		assert.NotEmpty(t, data["id_token"])

		code, state := codeAndState(t, s, one, "alice", "alice-secret")
		s.Restart()
		_, errorCode, description := send(t, s, "get_tokens_by_code", object{"oxd_id": one, "code": code, "state": state})
		assert.Equal(t, "bad_request", errorCode)
		assert.Equal(t, "'state' is not registered.", description)
		logIn(t, s, one, "alice", "alice-secret") // the site is still known

		short := started(t, oxdtest.Config{StateLifetime: time.Nanosecond})
		id := register(t, short)
		code, state = codeAndState(t, short, id, "alice", "alice-secret")
		_, _, description = send(t, short, "get_tokens_by_code", object{"oxd_id": id, "code": code, "state": state})
		assert.Equal(t, "'state' is not registered.", description, "expired")
	})
}

func TestAStateIsConsumedBySuccessOnly(t *testing.T) {
	t.Parallel()
	t.Run("trap 15", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		id := register(t, s)
		code, state := codeAndState(t, s, id, "alice", "alice-secret")
		_, errorCode, _ := send(t, s, "get_tokens_by_code", object{"oxd_id": id, "code": "wrong", "state": state})
		assert.Equal(t, "internal_error", errorCode)
		_, errorCode, _ = send(t, s, "get_tokens_by_code", object{"oxd_id": id, "code": code, "state": state})
		assert.Empty(t, errorCode, "the failure left the state alone")
		_, errorCode, description := send(t, s, "get_tokens_by_code", object{"oxd_id": id, "code": code, "state": state})
		assert.Equal(t, "bad_request", errorCode, description)
		assert.Zero(t, s.Provider.CodeReuses(), "the second time the provider is not asked")
	})
}

func TestTheAuthorizationURLIsHalfEncoded(t *testing.T) {
	t.Parallel()
	t.Run("traps 16 and 17", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		id := register(t, s)
		data, _, _ := send(t, s, "get_authorization_url", object{
			"oxd_id": id, "scope": []string{"openid", "profile"}, "acr_values": []string{"basic"}, "prompt": "login", "hd": "x.example", "custom_parameters": object{"p": "a/b"},
		})
		text := data["authorization_url"].(string)
		assert.Contains(t, text, "&redirect_uri=https://app.example/cb&scope=openid+profile&state=")
		assert.Contains(t, text, `&acr_values=basic&prompt=login&hd=x.example&custom_response_headers=%5B%7B%22p%22%3A%22a%5C%2Fb%22%7D%5D`)
		u, err := url.Parse(text)
		require.NoError(t, err)
		for _, name := range []string{"state", "nonce"} { // 26 digits, fewer when they begin with zeros
			assert.Regexp(t, "^[1-9a-v][0-9a-v]{19,25}$", u.Query().Get(name), name)
		}
		assert.NotEqual(t, u.Query().Get("state"), u.Query().Get("nonce"))
	})
}

func TestClaimsAreArraysOfText(t *testing.T) {
	t.Parallel()
	t.Run("trap 18", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		s.Provider.SetUserClaim("alice", "address", object{"city": "Århus"})
		s.Provider.SetUserClaim("alice", "nothing", nil)
		tokens := logIn(t, s, register(t, s), "alice", "alice-secret")
		claims := tokens["id_token_claims"].(map[string]any)
		for name, value := range claims {
			for _, element := range value.([]any) {
				assert.IsType(t, "", element, name)
			}
		}
		assert.Equal(t, []any{"true"}, claims["email_verified"])
		assert.Len(t, claims["exp"], 1)
		if address, ok := claims["address"]; ok {
			assert.Equal(t, []any{`{"city":"Århus"}`}, address)
		}
	})
}

func TestUserinfoErrorsAreSuccess(t *testing.T) {
	t.Parallel()
	t.Run("trap 20", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		id := register(t, s)
		got, _ := sendRaw(t, s, `{"command":"get_user_info","params":{"oxd_id":"`+id+`","access_token":"expired"}}`)
		assert.Equal(t, framed(`{"status":"ok","data":{"claims":{},"refresh_token":null,"access_token":null}}`), got)
		tokens := logIn(t, s, id, "zoe", "Zoë")
		data, _, _ := send(t, s, "get_user_info", object{"oxd_id": id, "access_token": tokens["access_token"]})
		assert.Equal(t, []any{"Zoë 李 😀"}, data["claims"].(map[string]any)["name"])
	})
}

func TestLogoutFallsBackToTheLastIDTokenOfAnybody(t *testing.T) {
	t.Parallel()
	t.Run("traps 21 and 22", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		id := register(t, s)
		logIn(t, s, id, "alice", "alice-secret")
		other := logIn(t, s, id, "bob", "bob-secret")
		data, _, _ := send(t, s, "get_logout_uri", object{"oxd_id": id})
		assert.Equal(t, other["id_token"], strings.TrimPrefix(data["uri"].(string)[strings.Index(data["uri"].(string), "?"):], "?id_token_hint="),
			"another user's token, and no post_logout_redirect_uri although one is registered")
		data, _, _ = send(t, s, "get_logout_uri", object{"oxd_id": id, "id_token_hint": "h", "post_logout_redirect_uri": "https://app.example/", "state": "a&b", "session_state": "s"})
		assert.True(t, strings.HasSuffix(data["uri"].(string), "?id_token_hint=h&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F&state=a&b&session_state=s"), data["uri"])
	})
}

func TestAnswersHaveTheRealKeyOrder(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	_, _, _ = send(t, s, "uma_rs_protect", object{"oxd_id": id, "resources": photos("view")})
	got, _ := sendRaw(t, s, `{"command":"uma_rs_check_access","params":{"oxd_id":"`+id+`","path":"/photo","http_method":"GET"}}`)
	assert.Regexp(t, `^\d{4}\{"status":"ok","data":\{"access":"denied","ticket":"[^"]+","www-authenticate_header":"UMA `, got)
	got, _ = sendRaw(t, s, `{"command":"register_site","params":{}}`)
	assert.Equal(t, framed(`{"status":"error","data":{"error":"invalid_op_host","details":null,"error_description":"Invalid op_host (empty or blank)."}}`), got)
}

func TestMinorCommandsAnswer(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	tokens := logIn(t, s, id, "alice", "alice-secret")
	status, _, _ := send(t, s, "id_token_status", object{"oxd_id": id, "id_token": tokens["id_token"]})
	assert.Equal(t, true, status["active"])
	parts := strings.Split(tokens["id_token"].(string), ".")
	status, _, _ = send(t, s, "id_token_status", object{"oxd_id": id, "id_token": parts[0] + "." + parts[1] + ".AAAA"})
	assert.Equal(t, false, status["active"])
	_, code, _ := send(t, s, "id_token_status", object{"oxd_id": id, "id_token": "x"})
	assert.Equal(t, "internal_error", code)
	access, _, _ := send(t, s, "access_token_status", object{"oxd_id": id, "id_token": tokens["id_token"], "access_token": tokens["access_token"]})
	assert.Equal(t, true, access["active"])
	assert.InDelta(t, status["expires_at"].(float64)*1000, access["expires_at"], 1, "trap 48: milliseconds here, seconds there")
	code1, state := codeAndState(t, s, id, "alice", "alice-secret")
	_, code, _ = send(t, s, "validate", object{"oxd_id": id, "code": code1, "state": state, "id_token": "x"})
	assert.Equal(t, "no_id_token", code)
	_, code, _ = send(t, s, "get_authorization_code", object{"oxd_id": id})
	assert.Equal(t, "internal_error", code)
}
