package config

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

const key64 = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// good is the smallest configuration that is complete.
var good = map[string]string{
	"OXDAUTH_OXD_CONNECTION_TYPE": "local", "OXDAUTH_OXD_CONNECTION_TYPE_VALUE": "8099", "OXDAUTH_CLIENT_OP_HOST": "https://idp.example",
	"OXDAUTH_CLIENT_AUTHORIZATION_REDIRECT_URI": "https://app.example/auth/callback",
}

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	}
}

func with(more map[string]string) func(string) (string, bool) {
	vars := maps.Clone(good)
	maps.Copy(vars, more)
	return environment(vars)
}

func TestErrorsNameTheKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		file string // content; none: no file
		vars map[string]string
		want string
	}{
		"an unknown key":              {`{"client":{"op_hots":"x"}}`, nil, `"op_hots"`},
		"a value of another type":     {`{"client":{"scope":"openid"}}`, nil, "client.scope: want an array of strings"},
		"a number for a word":         {`{"oxd":{"connection_type_value":8099}}`, nil, "oxd.connection_type_value: want a string"},
		"a section that is none":      {`{"oxd":"local"}`, nil, "oxd: want an object"},
		"two objects":                 {`{} {}`, nil, "something behind"},
		"no JSON":                     {`[oxd]`, nil, "invalid character"},
		"a missing host":              {"", map[string]string{"OXDAUTH_CLIENT_OP_HOST": ""}, "client.op_host: missing"},
		"a missing callback":          {"", map[string]string{"OXDAUTH_CLIENT_AUTHORIZATION_REDIRECT_URI": ""}, "client.authorization_redirect_uri: missing"},
		"a wrong connection type":     {"", map[string]string{"OXDAUTH_OXD_CONNECTION_TYPE": "tcp", "OXDAUTH_OXD_CONNECTION_TYPE_VALUE": "https://x"}, `oxd.connection_type: "tcp"`},
		"a wrong port":                {"", map[string]string{"OXDAUTH_OXD_CONNECTION_TYPE_VALUE": "70000"}, "oxd.connection_type_value"},
		"plain http for the web":      {"", map[string]string{"OXDAUTH_OXD_CONNECTION_TYPE": "web", "OXDAUTH_OXD_CONNECTION_TYPE_VALUE": "http://x:8443"}, "oxd.connection_type_value"},
		"a CA for the socket":         {"", map[string]string{"OXDAUTH_OXD_CA_FILE": "x"}, "oxd.ca_file"},
		"a CA that is not there":      {"", map[string]string{"OXDAUTH_OXD_CONNECTION_TYPE": "rest", "OXDAUTH_OXD_CONNECTION_TYPE_VALUE": "https://x", "OXDAUTH_OXD_CA_FILE": dir + "/none"}, "oxd.ca_file"},
		"an id without secret":        {"", map[string]string{"OXDAUTH_CLIENT_CLIENT_ID": "x"}, "client.client_id and client.client_secret"},
		"static without id":           {"", map[string]string{"OXDAUTH_CLIENT_DYNAMIC_REGISTRATION": "false"}, "client.dynamic_registration"},
		"dynamic with id":             {"", map[string]string{"OXDAUTH_CLIENT_DYNAMIC_REGISTRATION": "true", "OXDAUTH_CLIENT_CLIENT_ID": "x", "OXDAUTH_CLIENT_CLIENT_SECRET": "y"}, "client.dynamic_registration"},
		"neither true nor false":      {"", map[string]string{"OXDAUTH_CLIENT_DYNAMIC_REGISTRATION": "maybe"}, "OXDAUTH_CLIENT_DYNAMIC_REGISTRATION"},
		"a wrong time":                {"", map[string]string{"OXDAUTH_CLIENT_CLIENT_SECRET_EXPIRES_AT": "soon"}, "client.client_secret_expires_at"},
		"a short key":                 {"", map[string]string{"OXDAUTH_SESSION_KEYS": key64 + ",c2hvcnQ="}, "session.keys: number 2"},
		"a wrong limit":               {"", map[string]string{"OXDAUTH_SESSION_IDLE": "1 hour", "OXDAUTH_SESSION_ABSOLUTE": "12h"}, "session.idle"},
		"one limit of two":            {"", map[string]string{"OXDAUTH_SESSION_IDLE": "1h"}, "session.idle and session.absolute"},
		"a wrong address":             {"", map[string]string{"OXDAUTH_LISTEN": "8080"}, "listen"},
		"a secret file that is none":  {"", map[string]string{"OXDAUTH_CLIENT_CLIENT_SECRET_FILE": dir + "/none"}, "OXDAUTH_CLIENT_CLIENT_SECRET_FILE"},
		"a secret given in two ways":  {"", map[string]string{"OXDAUTH_CLIENT_CLIENT_SECRET_FILE": dir, "OXDAUTH_CLIENT_CLIENT_SECRET": "y"}, "set beside"},
		"a file of unlimited content": {"", map[string]string{"OXDAUTH_CLIENT_CLIENT_SECRET_FILE": "/dev/zero"}, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := ""
			if tc.file != "" {
				file = filepath.Join(t.TempDir(), "c.json")
				require.NoError(t, os.WriteFile(file, []byte(tc.file), 0o600))
			}
			_, err := Load(file, with(tc.vars))
			require.ErrorContains(t, err, tc.want)
		})
	}
	_, err := Load("", environment(nil))
	for _, key := range []string{"oxd.connection_type_value", "client.op_host", "client.authorization_redirect_uri"} {
		require.ErrorContains(t, err, key, "all at once")
	}
}

func TestTheEnvironmentWinsAndSecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	c, err := Load(write("c.json", `{"client":{"op_host":"https://other.example","scope":["openid"],"client_id":"id"}}`), with(map[string]string{
		"OXDAUTH_CLIENT_SCOPE": "openid, profile,email", "OXDAUTH_CLIENT_CLIENT_SECRET_FILE": write("secret", "s3cret\n"),
		"OXDAUTH_SESSION_KEYS_FILE": write("keys", key64+"\n"+key64+"\n"), "OXDAUTH_SESSION_IDLE": "10m", "OXDAUTH_SESSION_ABSOLUTE": "1h",
	}))
	require.NoError(t, err)
	assert.Equal(t, "https://idp.example", c.Client.OPHost)
	assert.Equal(t, []string{"openid", "profile", "email"}, c.Client.Scope)
	assert.Equal(t, "s3cret", c.Client.ClientSecret)
	assert.Len(t, c.Session.Keys, 2)
	opts, err := c.Options()
	require.NoError(t, err)
	assert.Len(t, opts, 2)
}

func TestEachKeyOfARegistrationReachesOxd(t *testing.T) {
	t.Parallel()
	s := oxdtest.NewServer()
	t.Cleanup(s.Close)
	want := map[string]any{
		"authorization_redirect_uri": "https://app.example/cb", "op_host": s.Provider.URL, "post_logout_redirect_uri": "https://app.example/",
		"client_name": "name", "client_jwks_uri": "https://app.example/jwks", "client_token_endpoint_auth_method": "client_secret_basic",
		"application_type": "web", "scope": []any{"openid", "email"}, "grant_types": []any{"authorization_code"}, "response_types": []any{"code"},
		"acr_values": []any{"basic"}, "contacts": []any{"ops@app.example"}, "client_frontchannel_logout_uris": []any{"https://app.example/out"},
		"client_request_uris": []any{"https://app.example/request"}, "client_sector_identifier_uri": "https://app.example/sector",
		"ui_locales": []any{"de"}, "claims_locales": []any{"en"}, "claims_redirect_uri": []any{"https://app.example/claims"},
		"client_id": "given", "client_secret": "secret",
	}
	text, err := json.Marshal(map[string]any{"oxd": map[string]any{"connection_type": "local", "connection_type_value": s.Addr}, "client": want})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "c.json")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	c, err := Load(file, environment(nil))
	require.NoError(t, err)
	client, err := c.OxdClient()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	_, _ = client.Register(t.Context()) // what the embedded oxd makes of all this does not matter here
	var sent map[string]any
	for _, call := range s.Calls() {
		if call.Command == "register_site" {
			require.NoError(t, json.Unmarshal(call.Params, &sent))
		}
	}
	for key, value := range want {
		assert.Equal(t, value, sent[key], key)
	}
}

func TestASiteRegisteredBeforeIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	for _, tc := range []map[string]string{
		{"OXDAUTH_OXD_ID": "1234", "OXDAUTH_CLIENT_OP_HOST": ""},
		{"OXDAUTH_OXD_ID": "1234", "OXDAUTH_OXD_CONNECTION_TYPE": "web", "OXDAUTH_OXD_CONNECTION_TYPE_VALUE": "https://x:8443", "OXDAUTH_CLIENT_CLIENT_ID": "a", "OXDAUTH_CLIENT_CLIENT_SECRET": "b"},
		{"OXDAUTH_OXD_CONNECTION_TYPE": "rest", "OXDAUTH_OXD_CONNECTION_TYPE_VALUE": "https://x:8443"},
	} {
		c, err := Load("", with(tc))
		require.NoError(t, err)
		_, err = c.OxdClient()
		require.NoError(t, err)
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/configuration.md")
	require.NoError(t, err)
	var keys []string
	eachKey(reflect.ValueOf(&Config{}).Elem(), nil, func(path []string, _ reflect.Value) { keys = append(keys, strings.Join(path, ".")) })
	require.Greater(t, len(keys), 30)
	for _, key := range keys {
		assert.Contains(t, string(text), "`"+key+"`", key)
	}
	// The keys of the INI files of oxd-python 3.1.1.
	for _, key := range strings.Fields(`connection_type connection_type_value id authorization_redirect_uri op_host post_logout_redirect_uri client_name
		client_id client_secret client_secret_expires_at client_jwks_uri client_token_endpoint_auth_method application_type op_discovery_path
		dynamic_registration scope grant_types acr_values contacts client_frontchannel_logout_uris client_request_uris
		client_sector_identifier_uri response_types ui_locales claims_locales claims_redirect_uri`) {
		assert.True(t, slices.ContainsFunc(keys, func(k string) bool { return strings.HasSuffix(k, "."+key) }), key)
	}
}

func TestTheExampleOfTheDocumentationIsAccepted(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/configuration.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```json\n")
	require.True(t, found)
	block, _, _ := strings.Cut(rest, "```")
	file := filepath.Join(t.TempDir(), "oxdauth.json")
	require.NoError(t, os.WriteFile(file, []byte(block), 0o600))
	c, err := Load(file, environment(nil))
	require.NoError(t, err)
	opts, err := c.Options()
	require.NoError(t, err)
	assert.NotEmpty(t, opts)
	_, err = c.OxdClient()
	require.NoError(t, err)
}
