package oxdauth

// Refreshing tokens: one request to oxd per session and generation, whose successor is replayed for a while to requests
// that still carry the old cookies.

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"example.com/oxdauth/oxd"
)

const (
	refreshTimeout = 15 * time.Second // of one refresh, detached from the request that started it
	refreshGrace   = time.Minute      // how long a successor is replayed to stragglers with the old cookies
	refreshBackoff = 10 * time.Second // how long a failure is remembered before oxd is asked again for this session
	refreshWait    = 2 * time.Second  // how long a request whose access token still holds waits for a refresh
	maxFlights     = 10_000           // refreshes remembered at a time, about 60 MB with 6 KB of tokens each
)

// flightKey is what a refresh is about. Its fields have a fixed size, so two keys cannot be confused.
type flightKey struct {
	id         sessionID
	generation uint64
}

// flight is one refresh, under way until done is closed; the other fields are written before that.
type flight struct {
	done     chan struct{}
	identity *identity
	tokens   *tokens
	err      error
	forget   time.Time
}

// refresher is safe for concurrent use.
type refresher struct {
	client *oxd.Client
	scopes []string
	logger *slog.Logger

	mu       sync.Mutex // guards what follows; never held while oxd is asked
	flights  map[flightKey]*flight
	nextLook time.Time
	closed   bool
	running  sync.WaitGroup
}

var errFlightsFull = errors.New("oxdauth: too many refreshes at a time")

// successor gives the newest session that recent refreshes have made of v, nil when there is none.
func (f *refresher) successor(v *identity) (newer *identity, t *tokens) {
	if v.refreshAt == 0 {
		return nil, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		next := f.flights[flightKey{v.id, v.generation}]
		if next == nil || !next.finished() || next.failed() || next.expired() {
			return newer, t
		}
		newer, t = next.identity, next.tokens
		v = newer
	}
}

// refresh exchanges the refresh token, or joins a refresh of the same session that is under way, and waits for it at most
// patience. Errors are oxd's, the context's, or one remembered from a moment ago.
func (f *refresher) refresh(ctx context.Context, v *identity, t *tokens, patience time.Duration) (*identity, *tokens, error) {
	current, err := f.join(ctx, v, t, false)
	if err != nil {
		return nil, nil, err
	}
	return current.wait(ctx, patience)
}

// wait gives the outcome of a flight.
func (f *flight) wait(ctx context.Context, patience time.Duration) (*identity, *tokens, error) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-f.done:
		return f.identity, f.tokens, f.err
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	case <-timer.C:
		return nil, nil, context.DeadlineExceeded
	}
}

// join finds or starts the flight for a session and generation. With retry a remembered failure does not count.
func (f *refresher) join(ctx context.Context, v *identity, t *tokens, retry bool) (*flight, error) {
	key := flightKey{v.id, v.generation}
	f.mu.Lock()
	defer f.mu.Unlock()
	if there := f.flights[key]; there != nil && !there.expired() && !(retry && there.failed()) {
		return there, nil
	}
	if f.closed {
		return nil, oxd.ErrClosed
	}
	if f.forgetLocked(); len(f.flights) >= maxFlights {
		return nil, errFlightsFull
	}
	started := &flight{done: make(chan struct{})}
	if f.flights == nil {
		f.flights = make(map[flightKey]*flight)
	}
	f.flights[key] = started
	f.running.Add(1)
	go f.run(context.WithoutCancel(ctx), started, v, t)
	return started, nil
}

// forgetLocked drops what nobody will ask for any more, looking through the list at most every ten seconds.
func (f *refresher) forgetLocked() {
	now := time.Now()
	if now.Before(f.nextLook) {
		return
	}
	f.nextLook = now.Add(10 * time.Second)
	for key, old := range f.flights {
		if old.expired() {
			delete(f.flights, key)
		}
	}
}

func (f *flight) finished() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

func (f *flight) failed() bool { return f.finished() && f.err != nil }

func (f *flight) expired() bool { return f.finished() && time.Now().After(f.forget) }

// run asks oxd once. A refresh token may be used only once, so the answer is kept even when the request has gone away.
func (f *refresher) run(ctx context.Context, current *flight, v *identity, t *tokens) {
	defer f.running.Done()
	defer close(current.done)
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	answer, err := f.client.RefreshTokens(ctx, oxd.NewSecret(t.refresh), f.scopes...)
	if err == nil && answer.AccessToken.IsZero() {
		err = errors.New("oxdauth: oxd answered a refresh without access token")
	}
	if err != nil {
		f.logger.WarnContext(ctx, "oxdauth: refresh failed", "subject", v.subject, "error", err)
		current.err, current.forget = err, time.Now().Add(refreshBackoff)
		return
	}
	newer, newerTokens := *v, *t
	newer.generation++
	newerTokens.generation++
	newerTokens.access = answer.AccessToken.Reveal()
	if !answer.RefreshToken.IsZero() {
		newerTokens.refresh = answer.RefreshToken.Reveal()
	}
	newer.accessExpires, newer.refreshAt = schedule(time.Now(), answer.ExpiresIn, true)
	current.identity, current.tokens, current.forget = &newer, &newerTokens, time.Now().Add(refreshGrace)
}

// close refuses new refreshes and waits for those under way.
func (f *refresher) close() {
	f.mu.Lock()
	f.closed = true
	f.mu.Unlock()
	f.running.Wait()
}

// schedule gives when an access token expires and when it should be refreshed: a fifth of its life, at most a minute,
// ahead. Zero means never: oxd did not tell the lifetime, or there is no refresh token.
func schedule(now time.Time, lifetime time.Duration, refreshable bool) (expires, refreshAt int64) {
	if lifetime <= 0 {
		return 0, 0
	}
	expires = expiry(now, lifetime)
	if refreshable {
		refreshAt = expiry(now, lifetime-min(time.Minute, lifetime/5))
	}
	return expires, refreshAt
}

// patience is how long a request waits for a refresh: not long while its access token still holds.
func (m *Middleware) patience(v *identity, now time.Time) time.Duration {
	if now.Unix() < v.accessExpires {
		return refreshWait
	}
	return refreshTimeout
}

// refreshRejected reports a clear refusal of the refresh token by the provider (invalid_grant, RFC 6749 section 5.2). oxd
// 3.1.1 never gives one: it reports a refusal as internal_error, like an outage. 3.1.4 relays the provider's answer in the
// description of http_status_400.
func refreshRejected(err error) bool {
	var answered *oxd.Error
	if !errors.As(err, &answered) {
		return false
	}
	var relayed struct {
		Error string `json:"error"`
	}
	return answered.Code == "invalid_grant" || answered.Code == "http_status_400" &&
		json.Unmarshal([]byte(answered.Description), &relayed) == nil && relayed.Error == "invalid_grant"
}

// Refresh exchanges the refresh token now, whatever the access token's expiry and however recently oxd has failed, and sets
// the new cookies on w; call it before anything is written. Errors: [ErrNoSession] when there is no session or the provider has withdrawn it,
// [ErrNoRefreshToken], or what oxd answered, in which case the session goes on as it is. Concurrent calls for one session
// share one exchange.
func (m *Middleware) Refresh(w http.ResponseWriter, r *http.Request) (*Session, error) {
	s, err := m.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if s.state == nil || s.state.open() == nil || s.state.tokens.refresh == "" {
		return nil, ErrNoRefreshToken
	}
	jar := readJar(r, m.prefix)
	current, err := m.refresher.join(r.Context(), s.state.identity, s.state.tokens, true)
	if err != nil {
		return nil, err
	}
	v, t, err := current.wait(r.Context(), refreshTimeout)
	if refreshRejected(err) {
		m.end(w, jar, s.state.identity)
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	if !m.alive(v) {
		return nil, ErrNoSession
	}
	if err := m.save(w, jar, v, t, true, false); err != nil {
		return nil, err
	}
	return m.newSession(r, v, t), nil
}
