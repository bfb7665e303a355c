package oxdtest_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"example.com/oxdauth/oxdtest"
	"github.com/stretchr/testify/require"
)

// world is a Provider and an application, each on a TLS listener of its own,
// and a client registered for the application.
type world struct {
	t        *testing.T
	provider *oxdtest.Provider
	app      string // origin of the application
	pool     *x509.CertPool
	http     *http.Client // no jar, follows no redirects
	client   testClient
}

type testClient struct {
	ID            string   `json:"client_id"`
	Secret        string   `json:"client_secret"`
	Token         string   `json:"registration_access_token"`
	URI           string   `json:"registration_client_uri"`
	Issued        int64    `json:"client_id_issued_at"`
	SecretExpires int64    `json:"client_secret_expires_at"`
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types"`
	Scope         string   `json:"scope"`
	AuthMethod    string   `json:"token_endpoint_auth_method"`
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var handler http.Handler
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
	}))
	world := &world{t: t}
	issuer := "https://" + server.Listener.Addr().String()
	world.provider, handler = oxdtest.ExportProvider(issuer, nil)
	server.StartTLS()
	t.Cleanup(server.Close)

	app := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<h1>The application</h1>")
	}))
	t.Cleanup(app.Close)
	world.app = app.URL

	world.pool = x509.NewCertPool()
	world.pool.AddCert(server.Certificate())
	world.pool.AddCert(app.Certificate())
	world.http = server.Client()
	world.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	world.client = world.register(nil)
	return world
}

// with is the same world for a subtest.
func (w *world) with(t *testing.T) *world {
	copied := *w
	copied.t = t
	return &copied
}

func (w *world) callback() string { return w.app + "/callback" }

func (w *world) metadata(change map[string]any) map[string]any {
	meta := map[string]any{
		"redirect_uris":             []string{w.callback()},
		"post_logout_redirect_uris": []string{w.app + "/"},
		"claims_redirect_uri":       []string{w.app + "/claims"},
		"grant_types":               []string{"authorization_code", "refresh_token", "client_credentials"},
		"scope":                     "openid profile email uma_protection",
		"client_name":               "Test Application",
	}
	for name, value := range change {
		meta[name] = value
		if value == nil {
			delete(meta, name)
		}
	}
	return meta
}

// register registers a client; change replaces or, with nil, removes metadata.
func (w *world) register(change map[string]any) testClient {
	w.t.Helper()
	status, body := w.send(http.MethodPost, "/oxauth/restv1/register", "", w.metadata(change))
	require.Equal(w.t, http.StatusCreated, status, string(body))
	var c testClient
	require.NoError(w.t, json.Unmarshal(body, &c))
	return c
}

// send sends a JSON body with a bearer token and returns status and body.
func (w *world) send(method, path, bearer string, body any) (int, []byte) {
	w.t.Helper()
	text, err := json.Marshal(body)
	require.NoError(w.t, err)
	target := path
	if !strings.HasPrefix(path, "https://") {
		target = w.provider.URL + path
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, target, bytes.NewReader(text))
	require.NoError(w.t, err)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	return w.do(req)
}

func (w *world) do(req *http.Request) (int, []byte) {
	w.t.Helper()
	resp, err := w.http.Do(req)
	require.NoError(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return resp.StatusCode, body
}

// post sends a form as the client and returns the JSON answer.
func (w *world) post(c testClient, path string, form url.Values) (int, map[string]any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.provider.URL+path, strings.NewReader(form.Encode()))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(c.ID, c.Secret)
	status, body := w.do(req)
	return status, objectOf(w.t, body)
}

func objectOf(t *testing.T, body []byte) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(body, &m), string(body))
	return m
}

func (w *world) token(form url.Values) (int, map[string]any) {
	w.t.Helper()
	return w.post(w.client, "/oxauth/restv1/token", form)
}

// authorizeURL builds the URL as oxd does: client_id and redirect_uri as they
// are, the rest encoded.
func (w *world) authorizeURL(more url.Values) string {
	u := w.provider.URL + "/oxauth/restv1/authorize?response_type=code&client_id=" + w.client.ID +
		"&redirect_uri=" + w.callback() + "&scope=openid+profile+email&state=state-1&nonce=nonce-1"
	if len(more) > 0 {
		u += "&" + more.Encode()
	}
	return u
}

func (w *world) browser() *oxdtest.Browser { return oxdtest.ExportBrowser(w.pool) }

// logIn signs in and returns what came back to the callback.
func (w *world) logIn(b *oxdtest.Browser, user, password string, more url.Values) url.Values {
	w.t.Helper()
	page, err := b.LogIn(w.authorizeURL(more), user, password)
	require.NoError(w.t, err)
	return w.returned(page)
}

// returned reads the parameters of the page when it is the callback's.
func (w *world) returned(page *http.Response) url.Values {
	w.t.Helper()
	text := w.text(page)
	require.Equal(w.t, w.callback(), w.app+page.Request.URL.Path, text)
	return page.Request.URL.Query()
}

func (w *world) text(page *http.Response) string {
	w.t.Helper()
	body, err := io.ReadAll(page.Body)
	require.NoError(w.t, err)
	require.NoError(w.t, page.Body.Close())
	return string(body)
}

// redeem exchanges a code.
func (w *world) redeem(code string) (int, map[string]any) {
	w.t.Helper()
	return w.token(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {w.callback()},
	})
}

// tokens signs alice in with a new browser and returns the token answer.
func (w *world) tokens() map[string]any {
	w.t.Helper()
	status, answer := w.redeem(w.logIn(w.browser(), "alice", "alice-secret", nil).Get("code"))
	require.Equal(w.t, http.StatusOK, status, answer)
	return answer
}

// active asks introspection about a token.
func (w *world) active(token any) bool {
	w.t.Helper()
	text, ok := token.(string)
	require.True(w.t, ok)
	status, answer := w.post(w.client, "/oxauth/restv1/introspection", url.Values{"token": {text}})
	require.Equal(w.t, http.StatusOK, status)
	return answer["active"] == true
}

// claimsOf reads the payload of a JWT without looking at the signature.
func claimsOf(t *testing.T, token any) map[string]any {
	t.Helper()
	text, _ := token.(string)
	parts := strings.Split(text, ".")
	require.Len(t, parts, 3)
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	return objectOf(t, payload)
}
