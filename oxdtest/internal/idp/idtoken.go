// ID tokens, as far as oxd reads and verifies them, and the keys of the provider.

package idp

import (
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	_ "crypto/sha256" // the hashes below
	_ "crypto/sha512"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are those that oxd verifies.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512}

// IDToken is a token that was parsed and not verified. It is immutable.
type IDToken struct {
	// Claims are the claims as JSON.
	Claims map[string]json.RawMessage

	text     string
	alg, kid string
}

// ParseIDToken reads a token of any algorithm. The error is ErrInternal.
func ParseIDToken(token string) (*IDToken, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, ErrInternal
	}
	var header struct{ Alg, Kid string }
	t := &IDToken{text: token}
	h, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	c, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	_, err3 := base64.RawURLEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || err3 != nil || json.Unmarshal(h, &header) != nil || json.Unmarshal(c, &t.Claims) != nil {
		return nil, ErrInternal
	}
	t.alg, t.kid = header.Alg, header.Kid
	return t, nil
}

// Text returns a claim that is text; an array, even of one, is not.
func (t *IDToken) Text(name string) string {
	var s string
	_ = json.Unmarshal(t.Claims[name], &s)
	return s
}

// Number returns a claim that is an integer, else 0.
func (t *IDToken) Number(name string) int64 {
	n, _ := strconv.ParseInt(string(t.Claims[name]), 10, 64)
	return n
}

// Verify checks audience, expiry, issuer and signature. The keys of the provider are fetched again
// when the signature does not verify.
func (t *IDToken) Verify(ctx context.Context, a *Access, m *Metadata, clientID string) error {
	expired := time.Now().Unix() >= t.Number("exp")
	if !strings.EqualFold(t.Text("aud"), clientID) || expired || t.Text("iss") != m.Issuer {
		return ErrInternal
	}
	signed, err := jose.ParseSignedCompact(t.text, algorithms)
	if err != nil {
		return ErrInternal
	}
	key, err := a.key(ctx, m.JWKS, t.kid, false)
	if err != nil {
		return err
	}
	if _, err = signed.Verify(key); err == nil {
		return nil
	}
	if key, err = a.key(ctx, m.JWKS, t.kid, true); err != nil {
		return err
	}
	_, err = signed.Verify(key)
	return err
}

// HashMatches compares at_hash (OpenID Connect Core section 3.1.3.6), which has to be there. With
// RS512 oxd finds it wrong in any case.
func (t *IDToken) HashMatches(accessToken string) bool {
	hash := crypto.SHA256
	switch jose.SignatureAlgorithm(t.alg) {
	case jose.RS384:
		hash = crypto.SHA384
	case jose.RS512:
		return false
	}
	h := hash.New()
	h.Write([]byte(accessToken))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]) == t.Text("at_hash")
}

type keySet struct {
	keys    map[string]*rsa.PublicKey // by key id
	fetched time.Time
}

// key returns a signing key of the provider, cached for an hour; again fetches once more.
func (a *Access) key(ctx context.Context, jwksURI, kid string, again bool) (*rsa.PublicKey, error) {
	a.mu.Lock()
	set, ok := a.keys[jwksURI]
	a.mu.Unlock()
	if !ok || again || time.Since(set.fetched) > time.Hour {
		status, body, err := a.Send(ctx, http.MethodGet, jwksURI, "", "")
		if err != nil || status != http.StatusOK {
			return nil, ErrInternal
		}
		set = keySet{parseKeys(body), time.Now()}
		a.mu.Lock()
		a.keys[jwksURI] = set
		a.mu.Unlock()
	}
	if key := set.keys[kid]; key != nil {
		return key, nil
	}
	if !again {
		return a.key(ctx, jwksURI, kid, true)
	}
	return nil, ErrInternal
}

// maxKeyBits bounds a modulus.
const maxKeyBits = 8192

// parseKeys returns the RSA keys of a set. It ignores keys that cannot be read.
func parseKeys(body []byte) map[string]*rsa.PublicKey {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	keys := map[string]*rsa.PublicKey{}
	if json.Unmarshal(body, &set) != nil {
		return keys
	}
	for _, raw := range set.Keys {
		var jwk jose.JSONWebKey
		if jwk.UnmarshalJSON(raw) != nil {
			continue
		}
		if key, ok := jwk.Key.(*rsa.PublicKey); ok && key.N.BitLen() <= maxKeyBits {
			keys[jwk.KeyID] = key
		}
	}
	return keys
}

// ClaimStrings returns every claim as a list of texts; what is no text keeps its JSON.
func ClaimStrings(raw map[string]json.RawMessage) map[string][]string {
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
