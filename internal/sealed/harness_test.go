package sealed_test

// Payloads and cookies of the tests.

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
)

var testKey = bytes.Repeat([]byte("0123456789abcdef!"), 2)

func testCookie(t testing.TB, purpose, audience string, keys ...[]byte) *sealed.Cookie {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{testKey}
	}
	c, err := sealed.NewCookie("__Host-test", purpose, audience, keys, time.Hour, true)
	require.NoError(t, err)
	return c
}

// note is a payload that is never compressed.
type note struct{ text string }

func (v *note) Marshal() []byte { return sealed.AppendText([]byte{sealed.Version}, v.text) }

func (v *note) Unmarshal(b []byte) error {
	r := sealed.NewReader(b)
	v.text = r.Text()
	return r.Finish()
}

// tokens is a payload that may be compressed.
type tokens struct{ access, id string }

func (*tokens) Compressible() {}

func (v *tokens) Marshal() []byte {
	return sealed.AppendToken(sealed.AppendToken([]byte{sealed.Version}, v.access), v.id)
}

func (v *tokens) Unmarshal(b []byte) error {
	r, err := sealed.NewInflatedReader(b)
	if err != nil {
		return err
	}
	v.access, v.id = r.Token(), r.Token()
	return r.Finish()
}

// raw is a payload of any bytes.
type raw []byte

func (v raw) Marshal() []byte        { return v }
func (v raw) Unmarshal([]byte) error { panic("a raw payload is not read") }

// deflated returns a compressed payload.
func deflated(t testing.TB, v sealed.Payload) raw {
	t.Helper()
	b := bytes.NewBuffer([]byte{0x80})
	w, err := flate.NewWriter(b, flate.DefaultCompression)
	require.NoError(t, err)
	_, err = w.Write(v.Marshal())
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// seal returns the cookies that hold v, as a request carries them.
func seal(t testing.TB, c *sealed.Cookie, v sealed.Payload) sealed.Jar {
	t.Helper()
	rec := httptest.NewRecorder()
	require.NoError(t, c.Write(rec, nil, v))
	return sent(rec)
}

// sent returns the cookies of an answer.
func sent(rec *httptest.ResponseRecorder) (j sealed.Jar) {
	for _, c := range rec.Result().Cookies() {
		j = append(j, sealed.Pair{Name: c.Name, Value: c.Value})
	}
	return j
}

// open reads the first value of the cookie in j into v.
func open(c *sealed.Cookie, j sealed.Jar, v sealed.Payload) error {
	for _, pair := range j {
		if pair.Name == c.Name() {
			_, err := c.Open(j, pair.Value, v)
			return err
		}
	}
	return sealed.ErrPayload
}

// keyID returns the id of the key that seals.
func keyID(t testing.TB, c *sealed.Cookie) string {
	id, _, _ := strings.Cut(seal(t, c, new(note))[0].Value, ".")
	return id
}

func jwt(n int) string {
	part := func(n int) string {
		b := make([]byte, n)
		rand.Read(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(20) + "." + part(n*3/4) + "." + part(32)
}

func withCookies(lines ...string) *http.Request {
	return &http.Request{Header: http.Header{"Cookie": lines}}
}
