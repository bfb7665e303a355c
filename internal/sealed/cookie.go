package sealed

// Sealed cookies: what each is called, how a payload is cut into several of them, and how they are
// set, read and removed.

import (
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxCookie is the size of name and value together. Browsers refuse more than 4,096 bytes
	// (RFC 6265bis section 5.6).
	maxCookie = 4095

	// maxChunks allows 64 KB: more than proxies let pass, and still a bound on what one request
	// costs.
	maxChunks = 16

	// maxCandidates is the number of cookies of one name that are tried: another program on the
	// host may have planted some.
	maxCandidates = 3
)

// Cookie seals one kind of cookie under one name. It is immutable and safe for concurrent use.
//
// The value of the first one is "<key id>.<number of chunks>.<sealed>"; the number is authenticated
// with the content. A payload that does not fit continues in name_1, name_2 and so on.
type Cookie struct {
	sealer   *Sealer
	secure   bool
	macNames [maxChunks + 1]string // by number of chunks: the name that securecookie authenticates
	names    [maxChunks]string     // by chunk: the name of the cookie
}

// NewCookie returns a kind of cookie whose keys are derived as those of [NewSealer]. With secure
// the cookies have the attribute Secure.
func NewCookie(
	name, purpose, audience string, secrets [][]byte, maxAge time.Duration, secure bool,
) (*Cookie, error) {
	sealer, err := NewSealer(name, purpose, audience, secrets, maxAge)
	if err != nil {
		return nil, err
	}
	c := &Cookie{sealer: sealer, secure: secure}
	for n := range c.macNames {
		c.macNames[n] = name + "." + strconv.Itoa(n)
	}
	c.names[0] = name
	for i := 1; i < maxChunks; i++ {
		c.names[i] = name + "_" + strconv.Itoa(i)
	}
	return c, nil
}

// Name returns the name of the first chunk.
func (c *Cookie) Name() string { return c.names[0] }

// Owns reports whether name is that of this cookie or of one of its chunks.
func (c *Cookie) Owns(name string) bool {
	rest, ok := strings.CutPrefix(name, c.Name())
	number, chunk := strings.CutPrefix(rest, "_")
	return ok && (rest == "" || chunk && strings.Trim(number, "0123456789") == "")
}

// SealOne returns the value of the one cookie that holds v. It returns ErrTooLarge when v needs
// more than one.
func (c *Cookie) SealOne(v Payload) (string, error) {
	head, values, err := c.seal(v)
	switch {
	case err != nil:
		return "", err
	case len(values) > 1:
		return "", ErrTooLarge
	}
	return head + values[0], nil
}

// seal returns the values of the chunks. What comes before the first one is returned apart, so that
// Write need not copy a whole cookie to join them.
func (c *Cookie) seal(v Payload) (head string, values []string, err error) {
	plain := v.Marshal()
	n := c.chunks(len(plain))
	if _, ok := v.(Compressible); ok && n > 1 {
		if small := deflate(plain); c.chunks(len(small)) < n {
			plain, n = small, c.chunks(len(small))
		}
	}
	if n > maxChunks {
		return "", nil, ErrTooLarge
	}
	rest, err := c.sealer.seal(c.macNames[n], plain)
	if err != nil {
		return "", nil, err
	}
	head = c.sealer.keys[0].id + "." + strconv.Itoa(n) + "."
	values = make([]string, 0, n)
	for i := range n {
		size := maxCookie - len(c.names[i])
		if i == 0 {
			size -= len(head)
		}
		size = min(len(rest), size)
		values = append(values, rest[:size])
		rest = rest[size:]
	}
	return head, values, nil
}

// chunks returns how many cookies a payload of this size takes: securecookie adds an initialisation
// vector, encodes, adds date and MAC, and encodes again.
func (c *Cookie) chunks(plain int) int {
	encrypted := base64.URLEncoding.EncodedLen(16 + plain)
	value := base64.URLEncoding.EncodedLen(len("1500000000||") + encrypted + sha256.Size)
	value += keyIDLength + len(".1.")
	for n := 1; n <= maxChunks; n++ {
		if n == 10 {
			value++ // two digits
		}
		if value <= maxCookie-len(c.names[n-1]) {
			return n
		}
		value -= maxCookie - len(c.names[n-1])
	}
	return maxChunks + 1
}

// Values returns the values in jar that Open may find v in, three at most.
func (c *Cookie) Values(jar Jar) iter.Seq[string] {
	return func(yield func(string) bool) {
		tried := 0
		for i := range jar {
			if jar[i].Name != c.names[0] {
				continue
			}
			if tried++; tried > maxCandidates || !yield(jar[i].Value) {
				return
			}
		}
	}
}

// Open reads value, the first chunk of this cookie, into v; the other chunks are in jar. rotate
// reports that a previous key has sealed it. The errors are ErrPayload and ErrVersion.
func (c *Cookie) Open(jar Jar, value string, v Payload) (rotate bool, err error) {
	id, rest, _ := strings.Cut(value, ".")
	count, sealed, found := strings.Cut(rest, ".")
	n, err := strconv.Atoi(count)
	if !found || err != nil || n < 1 || n > maxChunks || strconv.Itoa(n) != count {
		return false, ErrPayload
	}
	key := c.sealer.find(id)
	if key < 0 {
		return false, ErrPayload
	}
	whole, ok := c.join(jar, sealed, n)
	if !ok {
		return false, ErrPayload
	}
	return key > 0, c.sealer.open(key, c.macNames[n], whole, v)
}

// join appends the chunks after the first. It fails when one of them is missing or empty.
func (c *Cookie) join(jar Jar, first string, n int) (string, bool) {
	if n == 1 {
		return first, true
	}
	var whole strings.Builder
	whole.WriteString(first)
	for _, name := range c.names[1:n] {
		chunk := jar.first(name)
		if chunk == "" || len(chunk) > maxCookie {
			return "", false
		}
		whole.WriteString(chunk)
	}
	return whole.String(), true
}

// Write sets the cookies that hold v until the end of the browser's session, and removes the chunks
// in jar that it no longer needs. It returns ErrTooLarge when v needs more than 16 cookies.
func (c *Cookie) Write(w http.ResponseWriter, jar Jar, v Payload) error {
	head, values, err := c.seal(v)
	if err != nil {
		return err
	}
	for i, value := range values {
		c.set(w, c.names[i], head, value, "")
		head = ""
	}
	c.remove(w, jar, len(values))
	return nil
}

// Clear removes this cookie and its chunks, as far as they are in jar.
func (c *Cookie) Clear(w http.ResponseWriter, jar Jar) { c.remove(w, jar, 0) }

// ClearKnown is like Clear, but it removes nothing when jar has this cookie from a release whose
// payload is not known here: that release may read it again.
func (c *Cookie) ClearKnown(w http.ResponseWriter, jar Jar) {
	for value := range c.Values(jar) {
		if _, err := c.Open(jar, value, versionOnly{}); err == ErrVersion {
			return
		}
	}
	c.Clear(w, jar)
}

// versionOnly is a payload of which only the version is read. It is never sealed.
type versionOnly struct{}

func (versionOnly) Marshal() []byte { return nil }

func (versionOnly) Unmarshal(b []byte) error {
	if r, err := NewInflatedReader(b); err != nil || r.bad {
		return ErrVersion
	}
	return nil
}

func (c *Cookie) remove(w http.ResponseWriter, jar Jar, from int) {
	for _, name := range c.names[from:] {
		if jar.has(name) {
			c.Remove(w, name)
		}
	}
}

// Set sets one cookie that the browser keeps for lifetime. The name is a token, and the value is
// one of SealOne.
func (c *Cookie) Set(w http.ResponseWriter, name, value string, lifetime time.Duration) {
	c.set(w, name, "", value, "; Max-Age="+strconv.Itoa(int(lifetime/time.Second)))
}

// Remove removes one cookie.
func (c *Cookie) Remove(w http.ResponseWriter, name string) { c.set(w, name, "", "", "; Max-Age=0") }

// set puts one cookie with the value head+value into the answer, in place of one of the same name
// from earlier in this request. Names are tokens, and values consist of base64 and dots, so nothing
// needs the escaping of http.SetCookie.
func (c *Cookie) set(w http.ResponseWriter, name, head, value, age string) {
	h := w.Header()
	lines := slices.DeleteFunc(h["Set-Cookie"], func(line string) bool {
		return len(line) > len(name) && line[len(name)] == '=' && line[:len(name)] == name
	})
	attributes := "; HttpOnly; SameSite=Lax"
	if c.secure {
		attributes = "; HttpOnly; Secure; SameSite=Lax"
	}
	h["Set-Cookie"] = append(lines, name+"="+head+value+"; Path=/"+age+attributes)
	NoStore(w)
}

// NoStore keeps every cache from storing an answer. The keys are deliberately not canonical: a
// handler that later sets its own Cache-Control or Vary replaces the canonical key only, both
// fields are sent, and of the two no-store prevails (RFC 9111 section 5.2.2.5) without this package
// wrapping the ResponseWriter.
func NoStore(w http.ResponseWriter) {
	w.Header()["cache-control"] = []string{"no-store"}
	w.Header()["vary"] = []string{"Cookie"}
}
