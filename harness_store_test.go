package oxdauth_test

// Stores in memory, in the shapes real ones come in, and two replicas that share one.

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

// plainStore has the methods of scs.Store alone, as scs's memstore has.
type plainStore struct {
	mu     sync.Mutex // guards values
	values map[string]storedValue
	down   atomic.Bool
	reads  atomic.Int64
	writes atomic.Int64
}

type storedValue struct {
	b      []byte
	expiry time.Time
}

var errDown = errors.New("the store is down")

func (s *plainStore) Find(key string) ([]byte, bool, error) {
	s.reads.Add(1)
	if s.down.Load() {
		return nil, false, errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[key]
	if !ok || !time.Now().Before(v.expiry) {
		return nil, false, nil
	}
	return v.b, true, nil
}

func (s *plainStore) Commit(key string, b []byte, expiry time.Time) error {
	s.writes.Add(1)
	if s.down.Load() {
		return errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string]storedValue{}
	}
	s.values[key] = storedValue{b, expiry}
	return nil
}

func (s *plainStore) Delete(key string) error {
	s.writes.Add(1)
	if s.down.Load() {
		return errDown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}

// contextStore works with a context alone, as scs's goredisstore does.
type contextStore struct{ s plainStore }

func (*contextStore) Find(string) ([]byte, bool, error)      { panic("missing context") }
func (*contextStore) Commit(string, []byte, time.Time) error { panic("missing context") }
func (*contextStore) Delete(string) error                    { panic("missing context") }
func (c *contextStore) DeleteCtx(ctx context.Context, key string) error {
	return errors.Join(bounded(ctx), c.s.Delete(key))
}

func (c *contextStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	if err := bounded(ctx); err != nil {
		return nil, false, err
	}
	return c.s.Find(key)
}

func (c *contextStore) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	return errors.Join(bounded(ctx), c.s.Commit(key, b, expiry))
}

func bounded(ctx context.Context) error {
	if _, ok := ctx.Deadline(); !ok {
		return errors.New("a call without a limit")
	}
	return ctx.Err()
}

// lockingStore has a lock as well. It never sees a marker.
type lockingStore struct {
	contextStore
	lock  chan struct{} // one for all keys
	locks atomic.Int64
}

func (l *lockingStore) Lock(ctx context.Context, key string, ttl time.Duration) (func(), error) {
	select {
	case l.lock <- struct{}{}:
		l.locks.Add(1)
		return func() { <-l.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// storeShapes returns each shape of store with what is underneath.
var storeShapes = map[string]func() (oxdauth.Store, *plainStore){
	"plain methods":   func() (oxdauth.Store, *plainStore) { s := &plainStore{}; return s, s },
	"context methods": func() (oxdauth.Store, *plainStore) { s := &contextStore{}; return s, &s.s },
	"a lock": func() (oxdauth.Store, *plainStore) {
		s := &lockingStore{lock: make(chan struct{}, 1)}
		return s, &s.s
	},
}

func overStores(t *testing.T, test func(t *testing.T, store oxdauth.Store, under *plainStore)) {
	t.Parallel()
	for name, make := range storeShapes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, under := make()
			test(t, store, under)
		})
	}
}

// newReplicas starts an application of two replicas; requests with a header Replica go to the
// second one. wrap is what both serve; default: Handler around the user's name and, at /tokens, the
// access token.
func newReplicas(t *testing.T, wrap func(*oxdauth.Middleware, *app) http.Handler, opts ...oxdauth.Option) *app {
	t.Helper()
	if wrap == nil {
		wrap = func(m *oxdauth.Middleware, a *app) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/", a.whoami())
			mux.HandleFunc("/tokens", func(w http.ResponseWriter, r *http.Request) {
				s, _ := oxdauth.SessionFromContext(r.Context())
				_, _ = w.Write([]byte(s.AccessToken().Reveal()))
			})
			return m.Handler(mux)
		}
	}
	var second atomic.Value
	registered := filepath.Join(t.TempDir(), "site.json")
	both := setup{options: opts, site: func(s *oxd.Site) { s.File = registered }} // tokens belong to one client of the provider
	first := both
	first.mount = func(m *oxdauth.Middleware, a *app) http.Handler {
		serve := wrap(m, a)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Replica") != "" {
				second.Load().(http.Handler).ServeHTTP(w, r)
				return
			}
			serve.ServeHTTP(w, r)
		})
	}
	a := newApp(t, first)
	other := a.middleware(a.base, both)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	second.Store(http.Handler(http.HandlerFunc(wrap(other, a).ServeHTTP)))
	return a
}

// at makes one request with these cookies at a replica, "" or "1".
func (a *app) at(replica, method, path, cookies string) (*http.Response, string) {
	a.t.Helper()
	req := a.request(method, path, "Accept", "text/html", "Cookie", cookies)
	if replica != "" {
		req.Header.Set("Replica", replica)
	}
	if method == http.MethodPost {
		req.Header.Set("Origin", a.base)
	}
	return a.once(nil, req)
}
