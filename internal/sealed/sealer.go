package sealed

// Keys, and what they seal: encrypted, authenticated together with a name, and dated.

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	keyIDLength = 6
	maxSealed   = 256 << 10 // what maxPlain takes when sealed, and some more
)

// Sealer seals payloads of one purpose for one audience. It is immutable and safe for concurrent
// use.
type Sealer struct {
	keys []sealingKey // the first one seals
}

type sealingKey struct {
	id    string
	codec *securecookie.SecureCookie
}

// NewSealer returns a sealer whose keys are derived (HKDF, RFC 5869) from each secret for this
// name, purpose and audience alone: a value that is presented for another purpose, or to another
// application that shares the secret, fails authentication. The first secret seals, the others
// open. Values older than maxAge are refused.
func NewSealer(name, purpose, audience string, secrets [][]byte, maxAge time.Duration) (*Sealer, error) {
	s := new(Sealer)
	for _, secret := range secrets {
		info := []byte("oxdauth cookie 1")
		for _, part := range []string{purpose, name, audience} {
			info = AppendText(info, part)
		}
		okm, err := hkdf.Key(sha256.New, secret, nil, string(info), 32+32+4)
		if err != nil {
			return nil, fmt.Errorf("oxdauth: deriving cookie keys: %w", err)
		}
		codec := securecookie.New(okm[:32], okm[32:64]).SetSerializer(serializer{}).MaxLength(0)
		codec.MaxAge(int(maxAge / time.Second))
		id := base64.RawURLEncoding.EncodeToString(okm[64:])
		s.keys = append(s.keys, sealingKey{id: id, codec: codec})
	}
	return s, nil
}

// serializer passes our own binary form through securecookie.
type serializer struct{}

func (serializer) Serialize(src any) ([]byte, error) {
	if plain, ok := src.([]byte); ok {
		return plain, nil
	}
	return nil, ErrPayload
}

func (serializer) Deserialize(b []byte, dst any) error { return dst.(Payload).Unmarshal(b) }

// Seal returns v sealed under name: "<key id>.<sealed>". It returns ErrTooLarge for a payload
// above 128 KB.
func (s *Sealer) Seal(name string, v Payload) (string, error) {
	plain := v.Marshal()
	if len(plain) > maxPlain {
		return "", ErrTooLarge
	}
	sealed, err := s.seal(name, plain)
	if err != nil {
		return "", err
	}
	return s.keys[0].id + "." + sealed, nil
}

// Open reads into v what Seal has returned for the same name. rotate reports that a previous key
// has sealed it. The errors are ErrPayload and ErrVersion.
func (s *Sealer) Open(name, value string, v Payload) (rotate bool, err error) {
	if len(value) > maxSealed {
		return false, ErrPayload
	}
	id, sealed, _ := strings.Cut(value, ".")
	key := s.find(id)
	if key < 0 {
		return false, ErrPayload
	}
	return key > 0, s.open(key, name, sealed, v)
}

func (s *Sealer) seal(name string, plain []byte) (string, error) {
	sealed, err := s.keys[0].codec.Encode(name, plain)
	if err != nil {
		return "", fmt.Errorf("oxdauth: sealing: %w", err)
	}
	return sealed, nil
}

// find returns the index of the key with this id, -1 when there is none. A forged value therefore
// costs one MAC, whatever the number of keys.
func (s *Sealer) find(id string) int {
	for i := range s.keys {
		if s.keys[i].id == id {
			return i
		}
	}
	return -1
}

// open decrypts nothing, and inflates nothing, before the MAC holds.
func (s *Sealer) open(key int, name, sealed string, v Payload) error {
	if !canonical(sealed) {
		return ErrPayload
	}
	err := s.keys[key].codec.Decode(name, sealed, v)
	if err == nil {
		return nil
	}
	// It does not unwrap. A type assertion keeps a forged value from costing an allocation more.
	if failed, ok := err.(securecookie.Error); ok && failed.Cause() == ErrVersion {
		return ErrVersion
	}
	return ErrPayload
}

var strictPadded = base64.URLEncoding.Strict()

// canonical refuses base64 whose unused last bits are set: it would decode to the same bytes, so
// that a changed value would pass as the one we wrote.
func canonical(s string) bool {
	if len(s) < 4 {
		return false
	}
	_, err := strictPadded.DecodeString(s[len(s)-4:])
	return err == nil
}

// CheckKey returns an error for a key that cannot hold 256 bits of entropy: too short, too few
// different bytes, or text of too few digits.
func CheckKey(key []byte) error {
	distinct := map[byte]bool{}
	hexOnly, base64Only := true, true
	for _, c := range key {
		distinct[c] = true
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		hexOnly = hexOnly && alnum && (c <= '9' || c|0x20 <= 'f')
		base64Only = base64Only && (alnum || strings.IndexByte("+/-_=", c) >= 0)
	}
	need := 32
	if hexOnly {
		need = 64
	} else if base64Only {
		need = 43
	}
	switch {
	case len(key) < need:
		return fmt.Errorf("%d bytes; want 32 random bytes, 64 hexadecimal digits or 43 base64 characters",
			len(key))
	case len(distinct) < 10:
		return errors.New("too few different bytes to be random")
	}
	return nil
}

// RandomKey returns 32 random bytes.
func RandomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails since Go 1.24: a broken source ends the process
	return key
}

// Equal reports whether a and b are the same, in a time that depends on their lengths alone.
func Equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }
