package oxdauth

// Sealing and opening cookies: keys derived per purpose, chunks, key rotation, and finding our cookies in a request.

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
)

const (
	maxCookie     = 4095 // name and value together; browsers refuse more than 4,096 (RFC 6265bis section 5.6)
	maxChunks     = 16   // 64 KB of cookies: more than proxies let pass, and still a bound on what a request can make us do
	maxCandidates = 3    // cookies of one name that are tried: another program on the host may have planted some
	keyIDLength   = 6
)

// sealer seals one kind of cookie under one name. It is safe for concurrent use.
type sealer struct {
	name     string
	secure   bool
	keys     []sealingKey          // the first one writes
	macNames [maxChunks + 1]string // by number of chunks: what securecookie authenticates as the name
	names    [maxChunks]string     // by chunk: what the cookie is called
}

type sealingKey struct {
	id    string
	codec *securecookie.SecureCookie
}

// newSealer derives, from each secret, keys that hold for this purpose and this audience only: a cookie renamed to another
// purpose, or carried to another application that shares the secret, fails authentication.
func newSealer(name, purpose, audience string, secrets [][]byte, maxAge time.Duration, secure bool) (*sealer, error) {
	s := &sealer{name: name, secure: secure}
	for n := range s.macNames {
		s.macNames[n] = name + "." + strconv.Itoa(n)
	}
	s.names[0] = name
	for i := 1; i < maxChunks; i++ {
		s.names[i] = name + "_" + strconv.Itoa(i)
	}
	for _, secret := range secrets {
		info := []byte("oxdauth cookie 1")
		for _, part := range []string{purpose, name, audience} {
			info = append(binary.AppendUvarint(info, uint64(len(part))), part...)
		}
		okm, err := hkdf.Key(sha256.New, secret, nil, string(info), 32+32+4)
		if err != nil {
			return nil, fmt.Errorf("oxdauth: deriving cookie keys: %w", err)
		}
		codec := securecookie.New(okm[:32], okm[32:64]).SetSerializer(serializer{}).MaxLength(0).MaxAge(int(maxAge / time.Second))
		s.keys = append(s.keys, sealingKey{id: base64.RawURLEncoding.EncodeToString(okm[64:]), codec: codec})
	}
	return s, nil
}

// serializer hands our own binary form to securecookie.
type serializer struct{}

func (serializer) Serialize(src any) ([]byte, error) {
	switch v := src.(type) {
	case []byte:
		return v, nil
	case payload:
		return v.marshal(), nil
	}
	return nil, errPayload
}

func (serializer) Deserialize(b []byte, dst any) error { return dst.(payload).unmarshal(b) }

// seal returns the values of the cookies that hold v: for the one named s.name, then s.name_1, and so on.
func (s *sealer) seal(v payload) ([]string, error) {
	head, values, err := s.sealParts(v)
	if err == nil {
		values[0] = head + values[0]
	}
	return values, err
}

// sealParts is seal with what comes before the first value apart, which saves a copy. The first value is
// "<key id>.<number of chunks>.<sealed>"; the number is authenticated with the content.
func (s *sealer) sealParts(v payload) (head string, values []string, err error) {
	plain := v.marshal()
	n := s.chunks(len(plain))
	if inflatable(v) && n > 1 {
		if small := deflate(plain); s.chunks(len(small)) < n {
			plain, n = small, s.chunks(len(small))
		}
	}
	if n > maxChunks {
		return "", nil, ErrSessionTooLarge
	}
	key := s.keys[0]
	rest, err := key.codec.Encode(s.macNames[n], plain)
	if err != nil {
		return "", nil, fmt.Errorf("oxdauth: sealing a cookie: %w", err)
	}
	head = key.id + "." + strconv.Itoa(n) + "."
	values = make([]string, 0, n)
	for i := range n {
		size := maxCookie - len(s.chunkName(i))
		if i == 0 {
			size -= len(head)
		}
		size = min(len(rest), size)
		values = append(values, rest[:size])
		rest = rest[size:]
	}
	return head, values, nil
}

// inflatable tells the payloads that can be large and know how to be read back after compression.
func inflatable(v payload) bool {
	switch v.(type) {
	case *tokens, *form:
		return true
	}
	return false
}

func (s *sealer) chunkName(i int) string { return s.names[i] }

// chunks computes how many cookies a payload of this size takes: securecookie adds an initialisation vector, encodes,
// adds date and MAC, and encodes again.
func (s *sealer) chunks(plain int) int {
	value := base64.URLEncoding.EncodedLen(len("1500000000||") + base64.URLEncoding.EncodedLen(16+plain) + sha256.Size)
	value += keyIDLength + len(".1.")
	for n := 1; n <= maxChunks; n++ {
		if n == 10 {
			value++ // two digits
		}
		if value <= maxCookie-len(s.chunkName(n-1)) {
			return n
		}
		value -= maxCookie - len(s.chunkName(n-1))
	}
	return maxChunks + 1
}

// open reads value, a cookie of this name, into v. rotate tells that it was sealed with a previous key. A forged cookie
// costs one MAC, whatever the number of keys: the key id picks one, and nothing is decrypted or inflated before the MAC
// holds.
func (s *sealer) open(jar jar, value string, v payload) (rotate, ok bool) {
	id, rest, _ := strings.Cut(value, ".")
	count, sealed, found := strings.Cut(rest, ".")
	n, err := strconv.Atoi(count)
	if !found || err != nil || n < 1 || n > maxChunks || strconv.Itoa(n) != count {
		return false, false
	}
	for i, key := range s.keys {
		if key.id == id {
			whole, ok := s.join(jar, sealed, n)
			return i > 0, ok && canonical(whole) && key.codec.Decode(s.macNames[n], whole, v) == nil
		}
	}
	return false, false
}

// unknownVersion reports whether the request carries a cookie of this name that was sealed with one
// of the keys, but by a version of this package whose payload this one cannot read.
func (s *sealer) unknownVersion(jar jar) bool {
	tried := 0
	for _, c := range jar {
		if c.name != s.name || tried == maxCandidates {
			continue
		}
		tried++
		var v anyVersion
		if _, ok := s.open(jar, c.value, &v); ok && !v.known {
			return true
		}
	}
	return false
}

// join appends the chunks after the first. Without one of them, or with an empty one, there is no value.
func (s *sealer) join(jar jar, first string, n int) (string, bool) {
	if n == 1 {
		return first, true
	}
	var whole strings.Builder
	whole.WriteString(first)
	for i := 1; i < n; i++ {
		chunk := jar.first(s.chunkName(i))
		if chunk == "" || len(chunk) > maxCookie {
			return "", false
		}
		whole.WriteString(chunk)
	}
	return whole.String(), true
}

var strictPadded = base64.URLEncoding.Strict()

// canonical refuses base64 whose unused last bits are set: it would decode to the same bytes, so a changed cookie would
// pass as the one we wrote.
func canonical(s string) bool {
	if len(s) < 4 {
		return false
	}
	_, err := strictPadded.DecodeString(s[len(s)-4:])
	return err == nil
}

// write sets the cookies that hold v and removes the chunks in the request that it no longer needs.
func (s *sealer) write(w http.ResponseWriter, jar jar, v payload) error {
	head, values, err := s.sealParts(v)
	if err != nil {
		return err
	}
	for i, value := range values {
		s.setParts(w, s.chunkName(i), head, value, 0)
		head = ""
	}
	s.clear(w, jar, len(values))
	return nil
}

// clear removes the chunks from number keep on that the request carries.
func (s *sealer) clear(w http.ResponseWriter, jar jar, keep int) {
	for i := keep; i < maxChunks; i++ {
		if name := s.chunkName(i); jar.has(name) {
			s.set(w, name, "", -1)
		}
	}
}

// set puts one cookie into the answer, in place of one of the same name from earlier in this request. A maxAge of zero makes
// it end with the browser's session. Names are tokens, and values consist of base64 and dots, so nothing needs the escaping
// that http.SetCookie would look for.
func (s *sealer) set(w http.ResponseWriter, name, value string, maxAge int) {
	s.setParts(w, name, "", value, maxAge)
}

// setParts is set with a value in two parts.
func (s *sealer) setParts(w http.ResponseWriter, name, head, value string, maxAge int) {
	h := w.Header()
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		return len(line) > len(name) && line[len(name)] == '=' && line[:len(name)] == name
	})
	age := ""
	switch {
	case maxAge > 0:
		age = "; Max-Age=" + strconv.Itoa(maxAge)
	case maxAge < 0:
		age = "; Max-Age=0"
	}
	attributes := "; HttpOnly; SameSite=Lax"
	if s.secure {
		attributes = "; HttpOnly; Secure; SameSite=Lax"
	}
	h["Set-Cookie"] = append(lines, name+"="+head+value+"; Path=/"+age+attributes)
	neverStore(w)
}

// neverStore keeps every cache from storing an answer that sets a cookie. The keys are deliberately not canonical: a
// handler that later sets its own Cache-Control or Vary replaces the canonical key only, both fields are sent, and of
// the two no-store prevails (RFC 9111 section 5.2.2.5) without this package wrapping the ResponseWriter.
func neverStore(w http.ResponseWriter) {
	w.Header()["cache-control"] = []string{"no-store"}
	w.Header()["vary"] = []string{"Cookie"}
}

// jar holds the cookies of one request whose names start with ours.
type jar []cookiePair

type cookiePair struct{ name, value string }

// maxJar bounds how many of our cookies are looked at: all chunks of both kinds, the logins, and a few planted ones.
const maxJar = 2*maxChunks + 3*maxLogins

// readJar finds our cookies without parsing the others, in one pass over the header. It is small enough to be inlined, so
// that a caller which does not keep the jar has it on its stack.
func readJar(r *http.Request, prefix string) jar { return appendJar(make(jar, 0, 8), r, prefix) }

func appendJar(found jar, r *http.Request, prefix string) jar {
	for _, line := range r.Header["Cookie"] {
		for line != "" && len(found) < maxJar {
			var part string
			part, line, _ = strings.Cut(line, ";")
			for part != "" && (part[0] == ' ' || part[0] == '\t') {
				part = part[1:]
			}
			if !strings.HasPrefix(part, prefix) {
				continue
			}
			part = strings.TrimRight(part, " \t")
			if name, value, ok := strings.Cut(part, "="); ok {
				found = append(found, cookiePair{name, value})
			}
		}
	}
	return found
}

func (j jar) has(name string) bool {
	for _, c := range j {
		if c.name == name {
			return true
		}
	}
	return false
}

func (j jar) first(name string) string {
	for _, c := range j {
		if c.name == name {
			return c.value
		}
	}
	return ""
}
