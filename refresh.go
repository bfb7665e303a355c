package oxdauth

// Renewing a session: one request to oxd per session and generation, whose successor is replayed to requests that still
// carry the old cookies.

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/oxdauth/oxd"
)

const (
	refreshTimeout = 15 * time.Second // of one renewal, detached from the request that started it
	refreshGrace   = time.Minute      // how long a successor is replayed to stragglers once its cookies have been seen
	refreshBackoff = 10 * time.Second // how long a failure is remembered before oxd is asked again for this session
	maxFlights     = 200              // renewals remembered in each of 64 lists, about 80 MB with 6 KB of tokens each
)

// flightKey is what a renewal is about. Its fields have a fixed size, so two keys cannot be confused.
type flightKey struct {
	id         sessionID
	generation uint64
}

// flight is one renewal, under way until done is closed; identity, tokens and err are written before that.
type flight struct {
	done     chan struct{}
	identity *identity
	tokens   *tokens
	err      error

	forget atomic.Int64 // when nobody needs it any more, in nanoseconds since the epoch; written before done is closed, too
	seen   atomic.Bool  // a request has brought the successor's cookies
}

// refresher is safe for concurrent use.
type refresher struct {
	*settings
	client  *oxd.Client
	breaker *breaker
	shared  *storage // nil: other replicas are not asked

	shards [64]flights // by the first byte of the session id: requests of different sessions rarely meet

	mu      sync.Mutex // guards closed
	closed  bool
	running sync.WaitGroup
}

// flights are some of the renewals remembered.
type flights struct {
	mu       sync.RWMutex // guards the rest; never held while oxd is asked
	flights  map[flightKey]*flight
	nextLook time.Time
}

var errFlightsFull = errors.New("oxdauth: too many refreshes at a time")

func (f *refresher) shard(id sessionID) *flights { return &f.shards[int(id[0])%len(f.shards)] }

func (f *flights) get(id sessionID, generation uint64) *flight {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.getLocked(id, generation)
}

func (f *flights) getLocked(id sessionID, generation uint64) *flight {
	if found := f.flights[flightKey{id, generation}]; found != nil && !found.expired() {
		return found
	}
	return nil
}

// successor gives the newest session that recent renewals have made of v, nil when there is none. A successor is kept until
// its cookies come back from the browser, because an answer can get lost and a refresh token works once; after that a
// little longer, for requests that were sent with the old cookies.
func (f *refresher) successor(v *identity) (newer *identity, t *tokens) {
	if v.refreshAt == 0 && f.claimsInterval == 0 {
		return nil, nil
	}
	shard := f.shard(v.id)
	if v.generation > 0 {
		if before := shard.get(v.id, v.generation-1); before != nil && !before.seen.Swap(true) {
			before.forget.Store(time.Now().Add(refreshGrace).UnixNano())
		}
	}
	for {
		next := shard.get(v.id, v.generation)
		if next == nil || !next.finished() || next.failed() {
			return newer, t
		}
		newer, t = next.identity, next.tokens
		v = newer
	}
}

// wait gives the outcome of a flight.
func (f *flight) wait(ctx context.Context) (*identity, *tokens, error) {
	timer := time.NewTimer(refreshTimeout)
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
func (f *refresher) join(ctx context.Context, v *identity, t *tokens, need renewal, retry bool) (*flight, error) {
	shard := f.shard(v.id)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if there := shard.getLocked(v.id, v.generation); there != nil && !(retry && there.failed()) {
		return there, nil
	}
	if !shard.makeRoomLocked() {
		return nil, errFlightsFull
	}
	if !f.begin() {
		return nil, oxd.ErrClosed
	}
	started := &flight{done: make(chan struct{})}
	if shard.flights == nil {
		shard.flights = make(map[flightKey]*flight)
	}
	shard.flights[flightKey{v.id, v.generation}] = started
	go f.run(context.WithoutCancel(ctx), started, v, t, need)
	return started, nil
}

// begin counts a flight that close has to wait for.
func (f *refresher) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	f.running.Add(1)
	return true
}

// makeRoomLocked drops what nobody will ask for any more, looking through the list at most every ten seconds. A full list
// gives up the successor that would be dropped next: its session has to sign in again if its browser never got it.
func (f *flights) makeRoomLocked() bool {
	now := time.Now()
	if len(f.flights) < maxFlights && now.Before(f.nextLook) {
		return true
	}
	f.nextLook = now.Add(10 * time.Second)
	var oldest flightKey
	soonest := int64(math.MaxInt64)
	for key, there := range f.flights {
		switch {
		case there.expired():
			delete(f.flights, key)
		case there.finished() && there.forget.Load() < soonest:
			oldest, soonest = key, there.forget.Load()
		}
	}
	if len(f.flights) >= maxFlights && soonest < math.MaxInt64 {
		delete(f.flights, oldest)
	}
	return len(f.flights) < maxFlights
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

func (f *flight) expired() bool { return f.finished() && time.Now().UnixNano() > f.forget.Load() }

// run does what is needed, once. A refresh token may be used only once, so the answer is kept even when the request has gone
// away.
func (f *refresher) run(ctx context.Context, current *flight, v *identity, t *tokens, need renewal) {
	defer f.running.Done()
	defer close(current.done)
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	var err error
	exchange := func(ctx context.Context, v *identity, t *tokens) (*identity, *tokens, error) {
		return f.exchange(ctx, v, t, need)
	}
	if f.shared != nil {
		current.identity, current.tokens, err = f.shared.refresh(ctx, v, exchange)
	} else {
		current.identity, current.tokens, err = exchange(ctx, v, t)
	}
	current.err = err
	keep := f.idle // for as long as the browser may come with the old cookies
	switch {
	case errors.Is(err, errLeftAlone):
		keep = 0
	case err != nil:
		failed := v.event(RefreshFailed)
		failed.Err = err
		f.emit(ctx, failed)
		f.logger.WarnContext(ctx, "oxdauth: refresh failed", "subject", v.subject, "error", err)
		if _, ends := endsSession(err); !ends {
			keep = refreshBackoff
		}
	default:
		f.emit(ctx, v.event(RefreshSucceeded))
	}
	current.forget.Store(time.Now().Add(keep).UnixNano())
}

// exchange asks oxd and gives what becomes of the session.
func (f *refresher) exchange(ctx context.Context, v *identity, t *tokens, need renewal) (*identity, *tokens, error) {
	newer, newerTokens := *v, *t
	newer.generation++
	newerTokens.generation++
	if need.tokens {
		if err := f.renewTokens(ctx, &newer, &newerTokens); err != nil {
			return nil, nil, err
		}
	}
	if need.claims {
		err := f.renewClaims(ctx, &newer, newerTokens.access)
		switch {
		case err == nil:
		case !need.tokens || errors.Is(err, errSubject):
			return nil, nil, err
		default: // the new tokens must not get lost with the claims, which are asked for again soon
			newer.claimsAt = time.Now().Add(refreshBackoff - f.claimsInterval).Unix()
		}
	}
	return &newer, &newerTokens, nil
}

// renewTokens exchanges the refresh token (OAuth 2.0, RFC 6749 section 6).
func (f *refresher) renewTokens(ctx context.Context, v *identity, t *tokens) error {
	return f.breaker.call(func() error {
		answer, err := f.client.RefreshTokens(ctx, oxd.NewSecret(t.refresh), f.scopes...)
		if err == nil && answer.AccessToken.IsZero() {
			err = errors.New("oxdauth: oxd answered a refresh without access token")
		}
		if err != nil {
			return err
		}
		t.access = answer.AccessToken.Reveal()
		if !answer.RefreshToken.IsZero() {
			t.refresh = answer.RefreshToken.Reveal()
		}
		v.accessExpires, v.refreshAt = schedule(time.Now(), answer.ExpiresIn, true)
		return nil
	})
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
// the new cookies on w; call it before anything is written. Errors: [ErrNoSession] when there is no session or the provider
// has withdrawn it, [ErrNoRefreshToken], [ErrStore], or what oxd answered, in which case the session goes on as it is.
// Concurrent calls for one session share one exchange.
func (m *Middleware) Refresh(w http.ResponseWriter, r *http.Request) (*Session, error) {
	s, err := m.Authenticate(r)
	if err != nil {
		return nil, err
	}
	if s.state == nil || s.state.open() == nil || s.state.tokens.refresh == "" {
		if s.state != nil && s.state.err != nil {
			return nil, s.state.err
		}
		return nil, ErrNoRefreshToken
	}
	jar := readJar(r, m.prefix)
	current, err := m.refresher.join(r.Context(), s.state.identity, s.state.tokens, renewal{tokens: true}, true)
	if err != nil {
		return nil, err
	}
	v, t, err := current.wait(r.Context())
	if refreshRejected(err) {
		m.end(w, r, jar, s.state.identity, EndedByProvider)
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	if err := m.confirm(r.Context(), v); err != nil {
		return nil, err
	}
	if err := m.save(w, jar, v, t, true, false); err != nil {
		return nil, err
	}
	return new(signedIn).become(m, r, v, t), nil
}
