package oxdauth_test

// What a guard does over time and under load, with a scripted oxd in place of a socket.

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

// scriptedOxd answers uma_rs_check_access by a function of the RPT, and everything else with ok.
type scriptedOxd struct {
	checks  atomic.Int64
	protect func()        // nil: nothing
	expiry  func() string // of RPTs, as JSON of introspect_rpt; nil: oxd does not have it
	answer  func(ctx context.Context, n int64, rpt string) (*oxd.Response, error)
}

func (s *scriptedOxd) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	if req.Command == "uma_rs_protect" && s.protect != nil {
		s.protect()
	}
	if req.Command == "introspect_rpt" {
		if s.expiry == nil {
			return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"unsupported_operation"}`)}, nil
		}
		return &oxd.Response{Status: "ok", Data: json.RawMessage(s.expiry())}, nil
	}
	if req.Command != "uma_rs_check_access" {
		return &oxd.Response{Status: "ok", Data: json.RawMessage(`{"oxd_id":"x"}`)}, nil
	}
	var p struct {
		RPT string `json:"rpt"`
	}
	if err := json.Unmarshal(req.Params, &p); err != nil {
		return nil, err
	}
	return s.answer(ctx, s.checks.Add(1), p.RPT)
}

func granted() *oxd.Response {
	return &oxd.Response{Status: "ok", Data: json.RawMessage(`{"access":"granted"}`)}
}

func denied(n int64) *oxd.Response {
	return &oxd.Response{Status: "ok", Data: json.RawMessage(fmt.Sprintf(`{"access":"denied","ticket":"t-%d"}`, n))}
}

func (s *scriptedOxd) guard(t *testing.T, opts ...oxdauth.GuardOption) http.Handler {
	t.Helper()
	_, h := s.guardAndHandler(t, opts...)
	return h
}

func (s *scriptedOxd) guardAndHandler(t *testing.T, opts ...oxdauth.GuardOption) (*oxdauth.Guard, http.Handler) {
	t.Helper()
	client, err := oxd.NewClient(s, oxd.Site{OxdID: "x"})
	require.NoError(t, err)
	opts = append(opts, oxdauth.WithAuthorizationServer("https://op.example"), oxdauth.WithGuardLogger((&logBuffer{}).logger()))
	g, err := oxdauth.NewGuard(client, "r", opts...)
	require.NoError(t, err)
	h := g.Require("/x", "GET", oxdauth.AnyOf("view"))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	require.NoError(t, g.Protect(t.Context()))
	s.checks.Store(0)
	return g, h
}

func status(ctx context.Context, h http.Handler, rpt string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "GET", "/x", nil)
	if rpt != "" {
		r.Header.Set("Authorization", "Bearer "+rpt)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestUMA411_04_a_revoked_RPT_is_denied_no_later_than_the_TTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var revoked atomic.Bool
		s := &scriptedOxd{answer: func(_ context.Context, n int64, _ string) (*oxd.Response, error) {
			if revoked.Load() {
				return denied(n), nil
			}
			return granted(), nil
		}}
		revoked.Store(true)
		h := s.guard(t, oxdauth.WithGrantCache(10, 5*time.Second))
		revoked.Store(false)
		require.Equal(t, 200, status(t.Context(), h, "a").Code)
		revoked.Store(true)
		for range 4 { // using a grant does not extend it
			time.Sleep(time.Second)
			assert.Equal(t, 200, status(t.Context(), h, "a").Code)
		}
		time.Sleep(time.Second)
		assert.Equal(t, 401, status(t.Context(), h, "a").Code)
		assert.EqualValues(t, 2, s.checks.Load())
		assert.Equal(t, 401, status(t.Context(), h, "a").Code, "a denial is never kept")
		assert.EqualValues(t, 3, s.checks.Load())
	})
}

func jwtRPT(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestUMA411_03_the_exp_of_a_JWT_only_shortens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedOxd{answer: func(_ context.Context, n int64, rpt string) (*oxd.Response, error) {
			if rpt == "" {
				return denied(n), nil
			}
			return granted(), nil
		}}
		h := s.guard(t, oxdauth.WithGrantCache(10, 20*time.Second))
		questions := func(rpt string) int64 {
			s.checks.Store(0)
			status(t.Context(), h, rpt)
			status(t.Context(), h, rpt)
			time.Sleep(10 * time.Second)
			status(t.Context(), h, rpt)
			return s.checks.Load()
		}
		now := time.Now().Unix()
		assert.EqualValues(t, 3, questions(jwtRPT(fmt.Sprintf(`{"exp":%d}`, now))), "past: not kept at all")
		now = time.Now().Unix()
		assert.EqualValues(t, 2, questions(jwtRPT(fmt.Sprintf(`{"exp":%d}`, now+10))))
		assert.EqualValues(t, 1, questions(jwtRPT(`{"exp":1e300}`)))
		assert.EqualValues(t, 1, questions("opaque"))
		time.Sleep(10 * time.Second)
		assert.EqualValues(t, 1, questions("opaque"), "never longer than the TTL")
	})
}

func TestUMA411_16_equal_questions_share_a_grant_and_nothing_else(t *testing.T) {
	t.Parallel()
	for _, grant := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s := &scriptedOxd{answer: func(ctx context.Context, n int64, rpt string) (*oxd.Response, error) {
				if rpt == "" {
					return denied(n), nil
				}
				select {
				case <-time.After(time.Second):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
				if grant {
					return granted(), nil
				}
				return denied(n), nil
			}}
			h := s.guard(t, oxdauth.WithGrantCache(10, time.Minute))
			leader, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { status(leader, h, "a") })
			synctest.Wait()
			var mu sync.Mutex
			answers := map[string]int{}
			for range 20 {
				wg.Go(func() {
					w := status(t.Context(), h, "a")
					mu.Lock()
					defer mu.Unlock()
					answers[fmt.Sprint(w.Code, w.Header().Get("WWW-Authenticate"))]++
				})
			}
			synctest.Wait()
			cancel() // the leader's client goes away, the others get their answers
			wg.Wait()
			if grant {
				assert.Equal(t, map[string]int{"200": 20}, answers)
				assert.EqualValues(t, 1, s.checks.Load())
				return
			}
			assert.Len(t, answers, 20, "twenty tickets")
			for answer := range answers {
				assert.True(t, strings.HasPrefix(answer, "401UMA"), answer)
			}
		})
	}
}

func TestUMA411_06_the_breaker_opens_probes_once_and_closes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		s := &scriptedOxd{answer: func(ctx context.Context, n int64, _ string) (*oxd.Response, error) {
			if down.Load() {
				<-ctx.Done()
				return nil, &oxd.TransportError{Command: "uma_rs_check_access", Err: ctx.Err()}
			}
			return denied(n), nil
		}}
		h := s.guard(t)
		down.Store(true)
		for range 5 {
			start := time.Now()
			assert.Equal(t, 503, status(t.Context(), h, "a").Code)
			assert.Equal(t, 3*time.Second, time.Since(start))
		}
		for range 10 {
			assert.Equal(t, 503, status(t.Context(), h, "a").Code, "at once, without a question")
		}
		assert.EqualValues(t, 5, s.checks.Load())
		time.Sleep(5 * time.Second)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { assert.Equal(t, 503, status(t.Context(), h, "a").Code) })
		}
		wg.Wait()
		assert.EqualValues(t, 6, s.checks.Load(), "one goes to see")
		down.Store(false)
		assert.Equal(t, 503, status(t.Context(), h, "a").Code)
		time.Sleep(5 * time.Second)
		assert.Equal(t, 401, status(t.Context(), h, "a").Code)
		assert.Equal(t, 401, status(t.Context(), h, "a").Code)
	})
}

func TestGuardBoundsQuestionsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedOxd{answer: func(_ context.Context, n int64, rpt string) (*oxd.Response, error) {
			if rpt != "" {
				time.Sleep(time.Second)
			}
			return denied(n), nil
		}}
		h := s.guard(t, oxdauth.WithConcurrency(2))
		var codes [8]int
		var wg sync.WaitGroup
		for i := range codes {
			wg.Go(func() { codes[i] = status(t.Context(), h, "a").Code })
		}
		wg.Wait()
		count := map[int]int{}
		for _, code := range codes {
			count[code]++
		}
		assert.Equal(t, map[int]int{401: 2, 503: 6}, count)
	})
}

func TestGuardTicketLimitFillsUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedOxd{answer: func(_ context.Context, n int64, _ string) (*oxd.Response, error) { return denied(n), nil }}
		h := s.guard(t, oxdauth.WithTicketLimit(1, 2))
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 429, status(t.Context(), h, "").Code)
		time.Sleep(time.Second)
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 429, status(t.Context(), h, "").Code)
		time.Sleep(time.Hour)
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 429, status(t.Context(), h, "").Code, "not more than the burst")
	})
}

func TestAGrantEndsWithItsRPTWhereOxdTellsWhen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		about string // %d is the time in half a minute
		kept  time.Duration
	}{
		"an RPT that ends":                    {`{"active":true,"exp":%d,"permissions":[]}`, 25 * time.Second},
		"a permission that ends earlier":      {`{"active":true,"exp":9999999999,"permissions":[{"resource_id":"1","exp":%d}]}`, 25 * time.Second},
		"one that outlives the cache":         {`{"active":true,"exp":9999999999}`, time.Minute},
		"nothing said about the end":          {`{"active":true}`, time.Minute},
		"an RPT that has ended meanwhile":     {`{"active":false}`, 0},
		"an answer that cannot be understood": {`{"permissions":7}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scriptedOxd{answer: func(_ context.Context, n int64, rpt string) (*oxd.Response, error) {
					if rpt == "" {
						return denied(n), nil
					}
					return granted(), nil
				}}
				s.expiry = func() string {
					if !strings.Contains(tc.about, "%d") {
						return tc.about
					}
					return fmt.Sprintf(tc.about, time.Now().Add(30*time.Second).Unix())
				}
				h := s.guard(t, oxdauth.WithGrantCache(10, time.Minute))
				require.Equal(t, 200, status(t.Context(), h, "a").Code)
				if tc.kept > 0 {
					time.Sleep(tc.kept - time.Second)
					require.Equal(t, 200, status(t.Context(), h, "a").Code)
					assert.EqualValues(t, 1, s.checks.Load(), "a second before")
					time.Sleep(time.Second)
				}
				require.Equal(t, 200, status(t.Context(), h, "a").Code)
				assert.EqualValues(t, 2, s.checks.Load())
			})
		})
	}
}
