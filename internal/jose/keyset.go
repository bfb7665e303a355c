package jose

// The keys of one issuer: found by discovery, fetched when they are needed, kept for an hour.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	fetchTimeout = 10 * time.Second // discovery and keys together
	fetchPause   = time.Minute      // between fetches, however many unknown keys are named
	freshness    = time.Hour        // then keys are fetched again, to notice withdrawn ones
	maxDocument  = 256 << 10        // bytes
)

// ErrUnavailable means that the keys of the issuer could not be fetched, so that it is not known
// whether a token is the issuer's.
var ErrUnavailable = errors.New("the keys of the issuer are not available")

// KeySet holds the public keys of one issuer. They are fetched when the first token is verified,
// again after an hour, and when a token names a key that is not known, but at most once a minute.
// While the issuer does not answer, the keys from before stay in use. A KeySet is safe for
// concurrent use.
type KeySet struct {
	issuer  string
	http    *http.Client
	current atomic.Pointer[fetched] // nil before the first fetch
	gate    chan struct{}           // holds one token: the goroutine that has taken it may fetch
	tried   time.Time               // the latest fetch; only the holder of the token uses it
}

type fetched struct {
	keys []key
	at   time.Time
}

// NewKeySet makes no request. issuer is an https URL without query and fragment. client nil, or a
// client without transport, means [http.DefaultTransport]. A client that does not verify
// certificates is refused. KeySet follows no redirects.
func NewKeySet(issuer string, client *http.Client) (*KeySet, error) {
	if err := checkIssuer(issuer); err != nil {
		return nil, fmt.Errorf("issuer %q: %w", issuer, err)
	}
	own := http.Client{}
	if client != nil {
		own = *client
	}
	if t, ok := own.Transport.(*http.Transport); ok && t.TLSClientConfig != nil && t.TLSClientConfig.InsecureSkipVerify {
		return nil, errors.New("the client has InsecureSkipVerify set, so anybody could send it keys")
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &KeySet{issuer: issuer, http: &own, gate: make(chan struct{}, 1)}
	s.gate <- struct{}{}
	return s, nil
}

func checkIssuer(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(address, "?#") {
		return errors.New("want an absolute https URL without user, query and fragment")
	}
	return nil
}

// Issuer returns the issuer as it was given to [NewKeySet].
func (s *KeySet) Issuer() string { return s.issuer }

// Verify returns the claims of t if a key of the issuer has signed it. The key has the kid of the
// token, or none if the token names none. The error wraps [ErrSignature] or [ErrUnavailable]. The
// claims are the issuer's word; whether they say what the caller needs is not checked.
//
// When ctx ends, Verify stops to wait for another goroutine's fetch, but completes its own.
func (s *KeySet) Verify(ctx context.Context, t *JWS) (Object, error) {
	keys, err := s.find(ctx, t.KeyID)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if claims, ok := t.verify(k); ok {
			return claims, nil
		}
	}
	return nil, ErrSignature
}

// find returns the keys with this id, none if the issuer has no such key, ErrUnavailable if that is
// not known.
func (s *KeySet) find(ctx context.Context, id string) ([]key, error) {
	if keys := s.fresh(id); len(keys) > 0 {
		return keys, nil
	}
	select {
	case <-s.gate:
		defer func() { s.gate <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	if keys := s.fresh(id); len(keys) > 0 { // fetched by another goroutine
		return keys, nil
	}
	var err error
	if time.Since(s.tried) >= fetchPause {
		s.tried = time.Now()
		err = s.fetch(context.WithoutCancel(ctx)) // the caller may go away; the keys are for everybody
	} else if s.current.Load() == nil {
		err = errors.New("the issuer did not answer within the last minute")
	}
	keys := s.current.Load().named(id) // those from before while the issuer does not answer
	if len(keys) == 0 && err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return keys, nil
}

func (s *KeySet) fresh(id string) []key {
	if known := s.current.Load(); known != nil && time.Since(known.at) < freshness {
		return known.named(id)
	}
	return nil
}

// named accepts a nil receiver, which has no keys.
func (f *fetched) named(id string) (found []key) {
	if f == nil {
		return nil
	}
	for _, k := range f.keys {
		if k.id == id {
			found = append(found, k)
		}
	}
	return found
}

// fetch follows OpenID Connect Discovery 1.0 section 4: the document has to name the issuer under
// which it was found.
func (s *KeySet) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := s.get(ctx, strings.TrimSuffix(s.issuer, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
		return err
	}
	if discovery.Issuer != s.issuer {
		return fmt.Errorf("discovery names another issuer: %q", discovery.Issuer)
	}
	u, err := url.Parse(discovery.JWKSURI)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("discovery names no https address of keys: %q", discovery.JWKSURI)
	}
	var set jwkSet
	if err := s.get(ctx, discovery.JWKSURI, &set); err != nil {
		return err
	}
	s.current.Store(&fetched{keys: set.usable(), at: time.Now()})
	return nil
}

func (s *KeySet) get(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxDocument+1))
	if err == nil && len(body) > maxDocument {
		err = fmt.Errorf("more than %d bytes", maxDocument)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", address, err)
	}
	return nil
}
