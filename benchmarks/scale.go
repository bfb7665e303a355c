package main

// What must not change with size: the cost of a read with the number of sessions, of a request with
// the number of rules. And what must: reads per second with the number of processors.

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

const instantOrigin = "https://app.example.org"

// authorizationURL has a nonce that is the state, so that tokens need not remember it.
func (t instant) authorizationURL() (*oxd.Response, error) {
	state := rand.Text()
	q := url.Values{"state": {state}, "nonce": {state}, "client_id": {"app"}, "redirect_uri": {t.origin + "/auth/callback"}}
	return answer(map[string]any{"authorization_url": "https://idp.example.org/authorize?" + q.Encode()})
}

func (t instant) tokens(state string) (*oxd.Response, error) {
	subject := rand.Text()
	return answer(map[string]any{
		"access_token": rand.Text(), "refresh_token": rand.Text(), "id_token": "header.payload.signature", "expires_in": 86400,
		"id_token_claims": map[string]any{
			"iss": []string{"https://idp.example.org"}, "aud": []string{"app"}, "sub": []string{subject}, "nonce": []string{state},
			"name": []string{"Alice Example"}, "email": []string{subject + "@example.org"}, "preferred_username": []string{subject},
		},
	})
}

// crowd makes as many sessions as are asked for, each by a login of its own.
type crowd struct{ auth *oxdauth.Middleware }

func newCrowd() (*crowd, error) {
	client, err := newClient(instant{instantOrigin})
	if err != nil {
		return nil, err
	}
	auth, err := oxdauth.New(client, oxdauth.WithKeys(random(32)), oxdauth.WithLogger(quiet))
	return &crowd{auth}, err
}

var errLogin = errors.New("a login did not lead to a session")

// join signs in as many people as there are places, on all processors.
func (c *crowd) join(requests []*http.Request) error {
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			for i := worker; i < len(requests) && errs[worker] == nil; i += workers {
				var header string
				header, errs[worker] = c.member()
				requests[i] = newRequest(header)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// member returns the Cookie header of one more person.
func (c *crowd) member() (string, error) {
	w := &discard{header: http.Header{}}
	c.auth.Login().ServeHTTP(w, newRequest(""))
	to, err := url.Parse(w.header.Get("Location"))
	if err != nil || w.status != http.StatusFound {
		return "", errLogin
	}
	r := newRequest(strings.Join(cookiePairs(w.header), "; "))
	r.URL.Path, r.URL.RawQuery = c.auth.CallbackPath(), url.Values{"code": {"c"}, "state": {to.Query().Get("state")}}.Encode()
	w.reset()
	c.auth.Callback().ServeHTTP(w, r)
	if w.status != http.StatusSeeOther {
		return "", errLogin
	}
	return strings.Join(cookiePairs(w.header), "; "), nil
}

// cookiePairs returns the cookies an answer sets, without those it removes.
func cookiePairs(h http.Header) []string {
	var pairs []string
	for _, line := range h["Set-Cookie"] {
		if pair, attributes, _ := strings.Cut(line, ";"); !strings.Contains(attributes, "Max-Age=0") {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

const batch = 1000 // sessions alive in the client at a time

// measureSessions reads ever more sessions, each once. The cookies of a batch are made, read and
// dropped, so a million takes no more memory than a thousand; only reading is timed. The middleware
// has signed them all in.
func measureSessions(r *report, p plan) error {
	c, err := newCrowd()
	if err != nil {
		return err
	}
	seen := ""
	keeper := oxdauthKeeper(c.auth, "")
	handler := keeper.wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = keeper.subject(r.Context()) }))
	w := &discard{header: http.Header{}}
	var all series // nanoseconds per read, by batch
	before, deadline, total := heap(), time.Now().Add(p.building), 0
	for next := batch; total < p.sessions && (total == 0 || time.Now().Before(deadline)); {
		requests := make([]*http.Request, batch)
		if err := c.join(requests); err != nil {
			return err
		}
		runtime.GC()
		start := time.Now()
		for _, req := range requests {
			w.reset()
			seen = ""
			if handler.ServeHTTP(w, req); seen == "" {
				return errNoSession
			}
		}
		all = append(all, float64(time.Since(start))/batch)
		if total += batch; total == next {
			r.add(sessionRow(total, all[len(all)/2:], 0))
			next *= 10
		}
	}
	grown := float64(heap()-before) / float64(total)
	last := all[len(all)-max(1, len(all)/10):]
	if n := len(r.Measurements) - 1; r.Measurements[n].Name == fmt.Sprint(total) {
		r.Measurements = r.Measurements[:n] // the last number was a round one
	}
	r.add(sessionRow(total, last, grown))
	r.atMost("sessions: read after the last / after the first", 1.25, last.median()/all[:max(1, len(all)/10)].median())
	r.atMost("sessions: bytes kept by the server per session", 16, grown)
	return nil
}

func sessionRow(total int, s series, grown float64) measurement {
	m := measurement{Group: "read a session, payload S, after so many others", Name: fmt.Sprint(total), Nanos: s.median(), Allocs: -1}
	if grown != 0 {
		m.Note = fmt.Sprintf("%.1f bytes of heap per session", grown)
	}
	return m
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // twice empties the pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// measureRules sends a request with a session through few rules and through many.
func measureRules(r *report, p plan) error {
	a, err := theApp()
	if err != nil {
		return err
	}
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	var subjects []subject
	for n := 1; n <= p.maxRules; n *= 10 {
		needs := map[string]func(http.Handler) http.Handler{"/reports/": a.auth.Handler}
		for i := range n - 1 {
			needs[fmt.Sprintf("/area%d/", i)] = a.auth.Handler
		}
		rules, err := oxdauth.NewRules(a.auth, needs)
		if err != nil {
			return err
		}
		handler, w, req := rules.Handler(ok), &discard{header: http.Header{}}, newRequest(a.cookies["M"])
		subjects = append(subjects, each(fmt.Sprintf("%d rules", n), func() error {
			w.reset()
			if handler.ServeHTTP(w, req); w.status != http.StatusNoContent {
				return errNoSession
			}
			return nil
		}))
	}
	results, err := p.compare(subjects)
	if err != nil {
		return err
	}
	r.addAll("a request with a session through Rules", subjects, results, results[0], "times as fast as with one rule")
	r.atMost("rules: request, most rules / one rule", 1.25, results[len(results)-1].per(results[0]).median())
	return nil
}

// measureProcessors reads with 1, 2, 4 ... processors at work.
func measureProcessors(r *report, p plan) error {
	a, err := theApp()
	if err != nil {
		return err
	}
	k := oxdauthKeeper(a.auth, a.cookies["M"])
	var subjects []subject
	most := runtime.GOMAXPROCS(0)
	for n := 1; n <= most; n = min(2*n, max(most, n+1)) {
		workers := make([]func() error, n)
		for i := range workers {
			workers[i] = k.reading()
		}
		s := together(fmt.Sprint(n), workers)
		subjects = append(subjects, subject{name: s.name, parallel: true, run: func(count int) error {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			return s.run(count)
		}})
	}
	results, err := p.compare(subjects)
	if err != nil {
		return err
	}
	r.addAll("read a session, payload M, by GOMAXPROCS", subjects, results, results[0], "times the reads per second of one")
	return nil
}
