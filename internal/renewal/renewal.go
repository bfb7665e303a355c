// Package renewal renews a session once, however many requests and replicas ask for it.
package renewal

// The group of renewals: what a request joins, waits for and goes on with.

import (
	"context"
	"errors"
	"sync"
	"time"

	"example.com/oxdauth/internal/expiring"
	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/oxd"
)

const (
	// Timeout bounds one renewal, and how long a request waits for it.
	Timeout = 15 * time.Second

	grace   = time.Minute      // how long a successor is kept once its cookies have been seen
	backoff = 10 * time.Second // how long a failure is remembered before oxd is asked again

	// lockTTL outlives the replica that holds the lock: a renewal, storing its outcome, and the
	// call that is in progress then.
	lockTTL = Timeout + successorWait + replica.Timeout + 2*time.Second

	// successorWait is how long a store that has failed during a renewal is waited for: the old
	// tokens are used up.
	successorWait  = 10 * time.Second
	successorRetry = 250 * time.Millisecond
)

var (
	// ErrGone means that the session has no tokens. They are neither in cookies nor in the store,
	// or they are older than the session.
	ErrGone = errors.New("oxdauth: the tokens of the session are missing")
	// ErrFull means that too many renewals are in progress.
	ErrFull = errors.New("oxdauth: too many refreshes at a time")
)

// Config is what New needs. Claims, ClaimsInterval and Scopes may be zero.
type Config struct {
	Client         *oxd.Client
	Breaker        *limit.Breaker  // of the calls of oxd
	Values         *replica.Values // nil: there are no other replicas
	Claims         []string        // read from userinfo
	ClaimsInterval time.Duration   // how old they may be; zero: any age
	Scopes         []string        // of a refresh
	Idle           time.Duration   // for how long a browser may come with old cookies

	// OnResult is called once for each renewal that oxd or the store was asked for, before anybody
	// gets its outcome, and must be safe for concurrent use. v is the session as it was before.
	OnResult func(ctx context.Context, v *session.Identity, err error)
}

// Group remembers renewals, in progress and done. It is safe for concurrent use.
type Group struct {
	config Config
	shards [64]shard // by the first byte of the session id, so that requests rarely meet

	mu      sync.Mutex // guards closed
	closed  bool
	running sync.WaitGroup
}

// Result is a renewed session with its tokens. The zero value stands for none.
type Result struct {
	Identity *session.Identity
	Tokens   *session.Tokens
}

// ReadTokens reads the tokens of v from where they are, and v as of them. Without tokens it returns
// v and nil.
type ReadTokens func(ctx context.Context, v *session.Identity) (*session.Identity, *session.Tokens, error)

// New returns a group without renewals. It starts no goroutine and does no I/O.
func New(c Config) *Group {
	g := &Group{config: c}
	for i := range g.shards {
		g.shards[i].init()
	}
	return g
}

// Due returns what v needs now.
func (g *Group) Due(v *session.Identity, now time.Time) session.Need {
	return v.Due(now, g.config.ClaimsInterval)
}

// Successor returns the newest session that recent renewals have made of v; zero when there is
// none. A successor is kept until its cookies come back from the browser, because an answer can get
// lost and a refresh token works once; after that a little longer, for requests that were sent with
// the old cookies.
func (g *Group) Successor(v *session.Identity) (newest Result) {
	if v.RefreshAt == 0 && g.config.ClaimsInterval == 0 {
		return Result{}
	}
	shard := g.shard(v.ID)
	if v.Generation > 0 {
		shard.arrived(key{v.ID, v.Generation - 1})
	}
	for {
		next := shard.get(key{v.ID, v.Generation})
		if next == nil || !next.succeeded() {
			return newest
		}
		newest, _ = next.Result()
		v = newest.Identity
	}
}

// Renew renews v, which is due, for one request: t are its tokens, nil when the request has not
// read them. It returns a zero Result when the request goes on with the session it has: ahead of
// time nobody waits for a renewal, and an outage does not end a session. After an error there is no
// session for the request. It is ErrGone; or it is ErrSubject or one that Rejected reports, and
// then the session has to be ended.
func (g *Group) Renew(ctx context.Context, v *session.Identity, t *session.Tokens, need session.Need, read ReadTokens) (Result, error) {
	current := g.shard(v.ID).get(key{v.ID, v.Generation})
	if current == nil {
		var err error
		if t == nil {
			known := v.Generation
			if v, t, err = read(ctx, v); err != nil {
				return Result{}, nil
			}
			if t == nil {
				return Result{}, ErrGone
			}
			if need = g.Due(v, time.Now()); v.Generation > known && !need.Any() {
				return Result{v, t}, nil // another replica has renewed it
			}
		}
		if current, err = g.join(ctx, v, t, need, false); err != nil {
			return Result{}, nil
		}
	}
	if !need.Wait && !current.Finished() {
		return Result{}, nil
	}
	renewed, err := current.wait(ctx)
	if endsSession(err) {
		return Result{}, err
	}
	return renewed, nil
}

// Refresh refreshes the tokens of v now, even if they are not due or the last renewal has failed,
// or waits for the renewal in progress. The errors are those of Renew, those of oxd and of the
// store, ErrFull, oxd.ErrClosed after Close, and that of ctx.
func (g *Group) Refresh(ctx context.Context, v *session.Identity, t *session.Tokens) (Result, error) {
	current, err := g.join(ctx, v, t, session.Need{Tokens: true}, true)
	if err != nil {
		return Result{}, err
	}
	return current.wait(ctx)
}

// Close refuses new renewals and waits for those in progress.
func (g *Group) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.running.Wait()
}

// begin counts a renewal that Close has to wait for.
func (g *Group) begin() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.running.Add(1)
	return true
}

// join returns the renewal of a session and generation, and starts it if there is none. With retry
// it also starts one in place of a remembered failure.
func (g *Group) join(ctx context.Context, v *session.Identity, t *session.Tokens, need session.Need, retry bool) (*renewal, error) {
	shard, about := g.shard(v.ID), key{v.ID, v.Generation}
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if there := shard.get(about); there != nil && !(retry && there.failed()) {
		return there, nil
	}
	if !g.begin() {
		return nil, oxd.ErrClosed
	}
	started := newRenewal()
	if !shard.renewals.Put(about, started, expiring.Forever) {
		g.running.Done()
		return nil, ErrFull
	}
	go g.run(context.WithoutCancel(ctx), started, v, t, need)
	return started, nil
}

// run does what is needed. A refresh token works once, so ctx does not end with the request, and
// the outcome is kept.
func (g *Group) run(ctx context.Context, current *renewal, v *session.Identity, t *session.Tokens, need session.Need) {
	defer g.running.Done()
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	renewed, err := g.renew(ctx, v, t, need)
	keep := g.config.Idle // for as long as the browser may come with the old cookies
	if errors.Is(err, limit.ErrOpen) {
		keep = 0
	} else {
		g.config.OnResult(ctx, v, err)
		if err != nil && !endsSession(err) {
			keep = backoff
		}
	}
	// Before the outcome is there: until then no other renewal can take this one's place.
	g.shard(v.ID).renewals.Expire(key{v.ID, v.Generation}, time.Now().Add(keep))
	current.Finish(renewed, err)
}

// renew makes the successor of v, or takes the one that another replica has made. It waits for the
// lock until ctx is done. From then on it has a whole Timeout: a refresh that is cut off loses the
// tokens.
func (g *Group) renew(ctx context.Context, v *session.Identity, t *session.Tokens, need session.Need) (Result, error) {
	if g.config.Values == nil {
		return g.askOxd(ctx, v, t, need)
	}
	unlock, err := g.config.Values.Lock(ctx, v.ID, lockTTL)
	if err != nil {
		return Result{}, err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Timeout)
	defer cancel()
	current, t, err := g.config.Values.Tokens(ctx, v)
	switch {
	case err != nil:
		return Result{}, err
	case t == nil:
		return Result{}, ErrGone
	case current.Generation > v.Generation:
		return Result{current, t}, nil
	}
	renewed, err := g.askOxd(ctx, current, t, need)
	if err != nil {
		// Where the lock is best effort, another replica may have used the refresh token.
		if current, t, _ := g.config.Values.Tokens(ctx, v); t != nil && current.Generation > v.Generation {
			return Result{current, t}, nil
		}
		return Result{}, err
	}
	if err := g.store(context.WithoutCancel(ctx), renewed); err != nil {
		return Result{}, err
	}
	return renewed, nil
}

// store stores a successor, and waits for a store that fails.
func (g *Group) store(ctx context.Context, renewed Result) error {
	ctx, cancel := context.WithTimeout(ctx, successorWait)
	defer cancel()
	for {
		err := g.config.Values.PutTokens(ctx, renewed.Identity, renewed.Tokens)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(successorRetry):
		case <-ctx.Done():
			return err
		}
	}
}
