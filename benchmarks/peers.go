package main

// The peers, set up as their documentation says, with encryption where they have it, and without a
// limit of their own for the size of cookies where that can be lifted.

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/alexedwards/scs/v2"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	oidc "github.com/zitadel/oidc/v3/pkg/http"

	"example.com/oxdauth"
)

// newKeepers returns oxdauth, first, and its peers, all with the session of this payload.
func newKeepers(a *app, p payload) ([]*keeper, error) {
	s := a.sessions[p.name]
	jwe, err := jweKeeper()
	if err != nil {
		return nil, err
	}
	gcm, err := gcmKeeper()
	if err != nil {
		return nil, err
	}
	peers := []*keeper{
		scsKeeper(), gorillaKeeper(), zitadelKeeper(),
		secureKeeper("securecookie gob", securecookie.GobEncoder{}), secureKeeper("securecookie JSON", securecookie.JSONEncoder{}),
		jwe, gcm,
	}
	for _, k := range peers {
		if err := k.remember(s); err != nil {
			return nil, err
		}
	}
	return append([]*keeper{oxdauthKeeper(a.auth, a.cookies[p.name])}, peers...), nil
}

// oxdauthKeeper has no write: a session is written by a login or a change of keys, see
// measureWrite.
func oxdauthKeeper(m *oxdauth.Middleware, header string) *keeper {
	return &keeper{name: "oxdauth", wrap: m.Handler, header: header, subject: func(ctx context.Context) string {
		if s, ok := oxdauth.SessionFromContext(ctx); ok {
			return s.Subject
		}
		return ""
	}}
}

func scsKeeper() *keeper {
	m := scs.New() // with its memory store
	known, _ := m.Load(context.Background(), "")
	return &keeper{
		name:    "scs memstore",
		wrap:    m.LoadAndSave,
		subject: func(ctx context.Context) string { return m.GetString(ctx, "sub") },
		write: func(w http.ResponseWriter, s *session) error {
			for _, f := range s.fields() {
				m.Put(known, f.name, f.value)
			}
			token, expiry, err := m.Commit(known) // under the same token each time
			if err != nil {
				return err
			}
			m.WriteSessionCookie(known, w, token, expiry)
			return nil
		},
	}
}

func gorillaKeeper() *keeper {
	store := sessions.NewCookieStore(random(64), random(32))
	for _, codec := range store.Codecs {
		codec.(*securecookie.SecureCookie).MaxLength(0)
	}
	blank := newRequest("")
	return &keeper{
		name: "gorilla/sessions CookieStore",
		wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, err := store.New(r, "session")
				if err != nil || s.IsNew {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
			})
		},
		subject: func(ctx context.Context) string {
			s, _ := ctx.Value(sessionKey{}).(*sessions.Session)
			subject, _ := s.Values["sub"].(string)
			return subject
		},
		write: func(w http.ResponseWriter, s *session) error {
			kept := sessions.NewSession(store, "session")
			kept.Options = store.Options
			for _, f := range s.fields() {
				kept.Values[f.name] = f.value
			}
			return store.Save(blank, w, kept)
		},
	}
}

// zitadelKeeper keeps texts, so the session goes through JSON.
func zitadelKeeper() *keeper {
	h := oidc.NewCookieHandler(random(64), random(32))
	return &keeper{
		name: "zitadel/oidc CookieHandler",
		wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, err := h.CheckCookie(r, "session")
				s := new(session)
				if err != nil || json.Unmarshal([]byte(text), s) != nil {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
			})
		},
		subject: subjectOf,
		write: func(w http.ResponseWriter, s *session) error {
			text, err := json.Marshal(s)
			if err != nil {
				return err
			}
			return h.SetCookie(w, "session", string(text))
		},
	}
}

func secureKeeper(name string, sz securecookie.Serializer) *keeper {
	codec := securecookie.New(random(64), random(32)).SetSerializer(sz).MaxLength(0)
	return cookieKeeper(name,
		func(s *session) (string, error) { return codec.Encode("session", s) },
		func(value string) (*session, error) {
			s := new(session)
			return s, codec.Decode("session", value, s)
		})
}

func jweKeeper() (*keeper, error) {
	key := random(32)
	enc, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: key}, nil)
	if err != nil {
		return nil, err
	}
	return cookieKeeper("go-jose JWE (dir, A256GCM)",
		func(s *session) (string, error) {
			plain, err := json.Marshal(s)
			if err != nil {
				return "", err
			}
			sealed, err := enc.Encrypt(plain)
			if err != nil {
				return "", err
			}
			return sealed.CompactSerialize()
		},
		func(value string) (*session, error) {
			sealed, err := jose.ParseEncryptedCompact(value, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
			if err != nil {
				return nil, err
			}
			plain, err := sealed.Decrypt(key)
			if err != nil {
				return nil, err
			}
			s := new(session)
			return s, json.Unmarshal(plain, s)
		}), nil
}

func gcmKeeper() (*keeper, error) {
	block, err := aes.NewCipher(random(32))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	name := []byte("session")
	return cookieKeeper("AES-GCM and JSON",
		func(s *session) (string, error) {
			plain, err := json.Marshal(s)
			if err != nil {
				return "", err
			}
			return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, plain, name)), nil
		},
		func(value string) (*session, error) {
			sealed, err := base64.RawURLEncoding.DecodeString(value)
			if err != nil {
				return nil, err
			}
			plain, err := aead.Open(nil, nil, sealed, name)
			if err != nil {
				return nil, err
			}
			s := new(session)
			return s, json.Unmarshal(plain, s)
		}), nil
}

// bare is securecookie alone, without finding a cookie and without a form of the content, on as
// many bytes as oxdauth's identity cookie seals: the least that reading an encrypted cookie with it
// can cost.
type bare struct {
	codec *securecookie.SecureCookie
	plain []byte
	value string
}

func newBare(size int) (*bare, error) {
	b := &bare{codec: securecookie.New(random(32), random(32)).SetSerializer(securecookie.NopEncoder{}), plain: random(size)}
	var err error
	b.value, err = b.codec.Encode("session", bytes.Clone(b.plain)) // encrypting happens in place
	return b, err
}

func (b *bare) read() error {
	var got []byte
	if err := b.codec.Decode("session", b.value, &got); err != nil {
		return err
	}
	if len(got) != len(b.plain) {
		return errWrongBytes
	}
	return nil
}

func (b *bare) write() error {
	_, err := b.codec.Encode("session", b.plain)
	return err
}
