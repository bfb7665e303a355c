package main

// UMA checks: over the socket, and out of the cache of grants.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

const (
	defaultConns = 64 // of a TCPTransport
	rpt          = "5f9c1d0e-7a31-4c2b-9d84-e3b6a0c71f52_8D1E.24C6.93A7.B05F"
	resource     = "/photos/{id}"
)

var errDenied = errors.New("access was not granted")

func checking(c *oxd.Client) func() error {
	ctx := context.Background()
	params := oxd.CheckAccessParams{RPT: oxd.NewSecret(rpt), Path: resource, HTTPMethod: http.MethodGet}
	return func() error {
		access, err := c.CheckAccess(ctx, params)
		if err != nil {
			return err
		}
		if !access.Granted {
			return errDenied
		}
		return nil
	}
}

// connected returns an oxd and a client of it with the defaults.
func connected() (server *responder, client *oxd.Client, end func(), err error) {
	if server, err = newResponder(); err != nil {
		return nil, nil, nil, err
	}
	if client, err = newClient(&oxd.TCPTransport{Addr: server.addr()}); err != nil {
		server.close()
		return nil, nil, nil, err
	}
	return server, client, func() { _ = client.Close(); server.close() }, nil
}

func newClient(t oxd.Transport) (*oxd.Client, error) {
	return oxd.NewClient(t, oxd.Site{
		OxdID:  "bcad760f-91ba-46e1-a020-05e4281d91b6",
		Params: oxd.RegisterSiteParams{AuthorizationRedirectURI: instantOrigin + "/auth/callback"},
	})
}

func repeated(n int, work func() error) []func() error {
	workers := make([]func() error, n)
	for i := range workers {
		workers[i] = work
	}
	return workers
}

// measureCheck asks for decisions over the socket, with the transport's own number of connections,
// and then with others.
func measureCheck(r *report, p plan) error {
	server, client, end, err := connected()
	if err != nil {
		return err
	}
	defer end()
	check := checking(client)
	if err := check(); err != nil {
		return err
	}
	request := <-server.first
	// What oxd's own libraries do: no connection is used twice, and nothing bounds their number.
	dialler, err := newClient(&oxd.TCPTransport{Addr: server.addr(), MaxConns: 1 << 16, MaxIdle: 1, IdleTimeout: time.Nanosecond})
	if err != nil {
		return err
	}
	defer dialler.Close()
	dial := checking(dialler)
	for _, callers := range []int{1, 8, 64, 512} {
		conns := min(callers, defaultConns)
		pings, end, err := server.pingPong(conns, request)
		if err != nil {
			return err
		}
		subjects := []subject{
			together("oxd.Client", repeated(callers, check)),
			together(fmt.Sprintf("ping-pong over %d connections", conns), pings),
			together("oxd.Client, one connection per command", repeated(callers, dial)),
		}
		if callers == 1 {
			subjects[0] = each("oxd.Client", check)
		}
		results, err := p.compare(subjects)
		end()
		if err != nil {
			return err
		}
		for i, s := range subjects {
			m := measurement{Group: fmt.Sprintf("UMA check over the socket, %d callers", callers), Name: s.name}
			m.fill(s, results[i], nil, "")
			if i > 0 {
				m.Ratio, m.RatioOf = results[i].per(results[0]).median(), "oxd.Client / this, checks per second"
			}
			r.add(m)
			switch {
			case callers == 64 && i == 1:
				r.atLeast("UMA check, 64 callers: oxd.Client / ping-pong", 0.8, m.Ratio)
			case callers == 64 && i == 2:
				r.atLeast("UMA check, 64 callers: oxd.Client / one connection per command", 5, m.Ratio)
			}
		}
	}
	return measurePool(r, p, server)
}

// measurePool has 64 callers share pools of different sizes.
func measurePool(r *report, p plan, server *responder) error {
	var subjects []subject
	for _, conns := range []int{1, 4, 16, defaultConns} {
		client, err := newClient(&oxd.TCPTransport{Addr: server.addr(), MaxConns: conns, MaxIdle: conns})
		if err != nil {
			return err
		}
		defer client.Close()
		subjects = append(subjects, together(fmt.Sprintf("%d connections", conns), repeated(64, checking(client))))
	}
	results, err := p.compare(subjects)
	if err != nil {
		return err
	}
	const group = "UMA check over the socket, 64 callers, size of the pool"
	r.addAll(group, subjects, results, results[0], "times the checks per second of one connection")
	return nil
}

// instant is an oxd without a socket.
type instant struct{ origin string }

func (t instant) RoundTrip(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
	var p struct {
		RPT   string `json:"rpt"`
		State string `json:"state"`
	}
	if err := json.Unmarshal(req.Params, &p); err != nil {
		return nil, err
	}
	switch {
	case req.Command == "uma_rs_check_access" && p.RPT != "":
		return answer(map[string]any{"access": "granted"})
	case req.Command == "uma_rs_check_access":
		return answer(map[string]any{"access": "denied", "ticket": "e986fd2b-de83-4947-a889-8f63c7c409c0"})
	case req.Command == "introspect_rpt":
		return answer(map[string]any{"active": true, "exp": time.Now().Add(time.Hour).Unix()})
	case req.Command == "get_authorization_url":
		return t.authorizationURL()
	case req.Command == "get_tokens_by_code":
		return t.tokens(p.State)
	}
	return nil, fmt.Errorf("unexpected command %s", req.Command)
}

func answer(data map[string]any) (*oxd.Response, error) {
	raw, err := json.Marshal(data)
	return &oxd.Response{Status: "ok", Data: raw}, err
}

// newGuard returns a guard with so many protected routes, and the handler of the last one.
func newGuard(routes int) (*oxdauth.Guard, http.Handler, error) {
	client, err := newClient(instant{})
	if err != nil {
		return nil, nil, err
	}
	guard, err := oxdauth.NewGuard(client, "photos", oxdauth.WithAuthorizationServer("https://idp.example.org"),
		oxdauth.WithGrantCache(1000, time.Minute), oxdauth.WithGuardLogger(quiet))
	if err != nil {
		return nil, nil, err
	}
	for i := range routes - 1 {
		guard.Require(oxdauth.Resource{Path: fmt.Sprintf("/albums/%d/{id}", i), Method: http.MethodGet, Scopes: []string{"view"}})
	}
	handler := guard.Require(oxdauth.Resource{Path: resource, Method: http.MethodGet, Scopes: []string{"view"}})(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
	}))
	return guard, handler, guard.Protect(context.Background())
}

func photoRequest() *http.Request {
	r := newRequest("")
	r.URL.Path = "/photos/42"
	r.Header.Set("Authorization", "Bearer "+rpt)
	return r
}

// deciding is Guard.Check, the decision alone, answered by the cache.
func deciding(g *oxdauth.Guard) func() error {
	req := photoRequest()
	return func() error {
		if d := g.Check(req, resource, http.MethodGet); d.Outcome != oxdauth.OutcomeGranted {
			return errDenied
		}
		return nil
	}
}

// passing is a request through a guarded route.
func passing(h http.Handler) func() error {
	w, req := &discard{header: http.Header{}}, photoRequest()
	return func() error {
		w.reset()
		h.ServeHTTP(w, req)
		if w.status != http.StatusNoContent {
			return errDenied
		}
		return nil
	}
}

// measureGrant decides from the cache of grants, with few routes and with many.
func measureGrant(r *report, p plan) error {
	_, client, end, err := connected()
	if err != nil {
		return err
	}
	defer end()
	var subjects []subject
	for routes := 1; routes <= p.maxRoutes; routes *= 100 {
		guard, handler, err := newGuard(routes)
		if err != nil {
			return err
		}
		subjects = append(subjects, each(fmt.Sprintf("decision, %d routes", routes), deciding(guard)),
			each(fmt.Sprintf("request through the guard, %d routes", routes), passing(handler)))
	}
	subjects = append(subjects, each("a round trip instead", checking(client)))
	results, err := p.compare(subjects)
	if err != nil {
		return err
	}
	last := len(subjects) - 1
	first := r.addAll("UMA grant from the cache", subjects, results, results[last], "times as fast as a round trip")[0]
	r.atMost("cached grant: microseconds", 1, first.Nanos/1000)
	r.atMost("cached grant: allocations", 0, first.Allocs)
	r.atMost("cached grant: request, most routes / one route", 1.25, results[last-1].per(results[1]).median())
	return nil
}
