package oxdauth_test

// Cookies and stored values of every version recorded in testdata/golden open in this one and do
// what they did.

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
)

var goldenName = flag.String("golden", "", "record testdata/golden/`name`.json with this version")

// goldenRecord is what one version has left behind in one case.
type goldenRecord struct {
	Recorded time.Time              // by the clock of testing/synctest
	Audience string                 // the keys are derived for
	Cookies  map[string]string      // of the browser
	Store    map[string]goldenValue `json:",omitempty"`
	Session  *goldenSession         `json:",omitempty"` // as the application saw it
	State    string                 `json:",omitempty"` // of the login or claims gathering under way
	Token    string                 `json:",omitempty"` // a logout token that was taken
	JWKS     string                 `json:",omitempty"` // the keys it is signed with
}

type goldenValue struct {
	Value   []byte
	Expires time.Time
}

func (r *goldenRecord) keep(b *goldenBrowser, store *plainStore) {
	r.Recorded, r.Cookies, r.Store = time.Now().UTC(), maps.Clone(b.jar), nil
	if store == nil {
		return
	}
	store.mu.Lock()
	defer store.mu.Unlock()
	r.Store = map[string]goldenValue{}
	for key, v := range store.values {
		r.Store[key] = goldenValue{v.b, v.expiry.UTC()}
	}
}

// goldenRun opens one record.
type goldenRun struct {
	*testing.T
	*goldenRecord
	setup goldenSetup
}

// replicas returns applications that share a copy of what was stored, without the keys that have
// drop in them.
func (o *goldenRun) replicas(n int, drop string) []*goldenApp {
	o.Helper()
	s := o.setup
	if s.store != nil {
		s.store = &plainStore{values: map[string]storedValue{}}
		for key, v := range o.Store {
			if drop == "" || !strings.Contains(key, drop) {
				s.store.values[key] = storedValue{v.Value, v.Expires}
			}
		}
	}
	apps := make([]*goldenApp, n)
	for i := range apps {
		apps[i] = newGoldenApp(o.T, s)
		require.Equal(o, o.Audience, apps[i].audience)
	}
	return apps
}

func (o *goldenRun) app() *goldenApp { o.Helper(); return o.replicas(1, "")[0] }

func (o *goldenRun) browser() *goldenBrowser { return &goldenBrowser{o.T, maps.Clone(o.Cookies)} }

// ended requires that the recorded cookies are no session.
func (o *goldenRun) ended(a *goldenApp) {
	o.Helper()
	b := o.browser()
	_, err := a.auth.Authenticate(b.request(http.MethodGet, "/", ""))
	require.ErrorIs(o, err, oxdauth.ErrNoSession)
	b.leave(a, http.MethodGet, "/", "")
}

func TestWhatEveryVersionHasSealedOpens(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		records := readGolden(t, file)
		for name := range records {
			assert.Contains(t, goldenCases, name, "a record is opened by a case of its name")
		}
		for name, c := range goldenCases {
			for label, keys := range map[string][][]byte{"the current key": goldenKeys[:1], "a previous key": {goldenKeys[1], goldenKeys[0]}} {
				t.Run(filepath.Base(file)+"/"+name+"/"+label, func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						r := records[name]
						if r == nil {
							t.Skip("not in this record")
						}
						o := &goldenRun{t, r, c.setup}
						o.setup.keys, o.setup.jwks = keys, r.JWKS
						time.Sleep(time.Until(r.Recorded))
						c.open(o)
					})
				})
			}
		}
	}
}

func readGolden(t *testing.T, file string) (records map[string]*goldenRecord) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &records))
	return records
}

func TestRecordGolden(t *testing.T) {
	if *goldenName == "" {
		t.Skip("only with -golden")
	}
	file := filepath.Join("testdata", "golden", *goldenName+".json")
	_, err := os.Stat(file)
	require.True(t, errors.Is(err, fs.ErrNotExist), "what a version has sealed never changes")
	records := map[string]*goldenRecord{}
	for name, c := range goldenCases {
		synctest.Test(t, func(t *testing.T) {
			s, r, b := c.setup, &goldenRecord{}, &goldenBrowser{t, map[string]string{}}
			s.keys = goldenKeys[:1]
			if s.store != nil {
				s.store = &plainStore{}
			}
			if strings.Contains(name, "logout token") {
				r.Token, r.JWKS = newGoldenToken(t)
				s.jwks = r.JWKS
			}
			a := newGoldenApp(t, s)
			time.Sleep(time.Second) // so that nothing is the same by being zero
			r.Audience = a.audience
			c.record(a, b, r, s.store)
			if r.Recorded.IsZero() {
				r.keep(b, s.store)
			}
			records[name] = r
		})
	}
	b, err := json.MarshalIndent(records, "", " ")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, append(b, '\n'), 0o644))
}

// TestKeysAreDerivedAsTheyAlwaysWere opens what was recorded, and what this version seals, without
// the package: the keys are 68 bytes of HKDF-SHA256 (RFC 5869) for "oxdauth cookie 1", the purpose,
// the name and the audience, each of these three behind its length. 32 bytes are for the HMAC, 32
// for AES and 4, in base64, are the key id in front of the value.
func TestKeysAreDerivedAsTheyAlwaysWere(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/golden/*.json")
	require.NoError(t, err)
	for _, file := range files {
		for name, r := range readGolden(t, file) {
			t.Run(filepath.Base(file)+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(time.Until(r.Recorded))
					versions := map[byte]int{}
					for _, plain := range openGolden(t, r) {
						versions[plain[0]]++
					}
					deflated := strings.Contains(name, "deflated") || strings.Contains(name, "long")
					if _, chunks := r.Cookies["__Host-oxdauth-tokens_1"]; strings.HasSuffix(name, "in chunks") != chunks {
						t.Error("the number of cookies is another")
					}
					assert.Equal(t, deflated, versions[0x80] == 1)
					assert.Len(t, slices.Collect(maps.Keys(versions)), 1+versions[0x80], "all others have the same version")
				})
			})
		}
	}
	for name, setup := range map[string]goldenSetup{"now": {}, "now, a registered site": {registered: true}, "now, with a store": {store: &plainStore{}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				setup.keys = goldenKeys[:1]
				a, b, r := newGoldenApp(t, setup), &goldenBrowser{t, map[string]string{}}, &goldenRecord{}
				b.signIn(a)
				time.Sleep(2 * time.Minute)
				b.leave(a, http.MethodGet, "/recent", "")
				r.Audience = a.audience
				r.keep(b, setup.store)
				openGolden(t, r)
			})
		})
	}
}

// openGolden returns the payloads of cookies and stored values.
func openGolden(t *testing.T, r *goldenRecord) (plain [][]byte) {
	t.Helper()
	open := func(purpose, name, sealedName, id, sealed string) {
		info := []byte("oxdauth cookie 1")
		for _, part := range []string{purpose, name, r.Audience} {
			info = append(binary.AppendUvarint(info, uint64(len(part))), part...)
		}
		key, err := hkdf.Key(sha256.New, goldenKeys[0], nil, string(info), 68)
		require.NoError(t, err)
		require.Equal(t, base64.RawURLEncoding.EncodeToString(key[64:]), id, name)
		var b []byte
		codec := securecookie.New(key[:32], key[32:64]).SetSerializer(securecookie.NopEncoder{}).MaxLength(0)
		require.NoError(t, codec.Decode(sealedName, sealed, &b), name)
		require.NotEmpty(t, b)
		plain = append(plain, b)
	}
	for name, value := range r.Cookies {
		id, rest, _ := strings.Cut(value, ".")
		count, sealed, ok := strings.Cut(rest, ".")
		if !ok {
			assert.Regexp(t, `^__Host-oxdauth-(tokens_\d|round)$`, name, "a further chunk, or the one that is not sealed")
			continue
		}
		n, err := strconv.Atoi(count)
		require.NoError(t, err)
		for i := 1; i < n; i++ {
			sealed += r.Cookies[name+"_"+strconv.Itoa(i)]
		}
		purpose := map[string]string{"__Host-oxdauth": "identity", "__Host-oxdauth-tokens": "tokens", "__Host-oxdauth-form": "form"}[name]
		for _, attempt := range []string{"login", "claims"} {
			if prefix := "__Host-oxdauth-" + attempt + "-"; strings.HasPrefix(name, prefix) {
				purpose, name = attempt, prefix
			}
		}
		open(purpose, name, name+"."+count, id, sealed)
	}
	for key, v := range r.Store {
		switch kind := strings.Split(key, ":")[1]; kind {
		case "tokens", "uma", "group":
			id, sealed, _ := strings.Cut(string(v.Value), ".")
			open("store", "__Host-oxdauth", key, id, sealed)
		case "ended", "sid", "jti":
			assert.Equal(t, []byte{1}, v.Value, kind)
		default:
			assert.Equal(t, "refresh", kind)
		}
	}
	return plain
}
