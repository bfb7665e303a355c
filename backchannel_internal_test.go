package oxdauth

// Back-channel logout with the list of used tokens full.

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keysOnly answers as an issuer that has this key.
type keysOnly struct{ x string }

func (k keysOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	body := fmt.Sprintf(`{"issuer":%q,"jwks_uri":"%s/jwks"}`, testIssuer, testIssuer)
	if r.URL.Path == "/jwks" {
		body = fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":%q}]}`, k.x)
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestTooManyLogoutTokensAreWantedAgain(t *testing.T) {
	t.Parallel()
	t.Run("V-95 it could be replayed", func(t *testing.T) {
		t.Parallel()
		public, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		b64 := base64.RawURLEncoding.EncodeToString
		m := newTestMiddleware(t, &fakeOxd{}, WithBackChannelLogout(testIssuer, &http.Client{Transport: keysOnly{b64(public)}}))
		m.clients.add("client")
		post := func(jti string) int {
			now := time.Now().Unix()
			signed := b64([]byte(`{"alg":"Ed25519"}`)) + "." + b64(fmt.Appendf(nil,
				`{"iss":%q,"aud":"client","iat":%d,"exp":%d,"jti":%q,"sub":"alice","events":{%q:{}}}`,
				testIssuer, now, now+60, jti, "http://schemas.openid.net/event/backchannel-logout"))
			token := signed + "." + b64(ed25519.Sign(private, []byte(signed)))
			r := httptest.NewRequest(http.MethodPost, m.BackChannelLogoutPath(), strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			rec := httptest.NewRecorder()
			m.BackChannelLogout().ServeHTTP(rec, r)
			return rec.Code
		}
		until := time.Now().Add(time.Hour).Unix()
		for i := range maxMemory {
			m.logoutTokens.add([16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, until)
		}
		assert.Equal(t, http.StatusServiceUnavailable, post("a"))
		assert.Zero(t, m.revoked.count)
		m.logoutTokens.until = nil
		assert.Equal(t, http.StatusOK, post("a"))
		assert.Equal(t, 1, m.revoked.count)
	})
}
