package oxdauth

// Declaring resources: one call says which route stands for which resource, so that a decision never needs to read a
// request's URL again.

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

type routeKind byte

const (
	kindByRequest routeKind = iota
	kindAPI
	kindPage
)

// route is a declared resource and method. After the declaration only the atomics change.
type route struct {
	path, method         string
	scopes, ticketScopes []string
	shared               bool
	kind                 routeKind
	encodedSlashes       bool
	recheck              time.Duration

	protected atomic.Pointer[grantKey] // set by Protect: the site, the resource and the method
	missing   atomic.Bool              // oxd has said since that it is not protected
}

// Handle registers h at mux and declares the resource in one call. pattern is one of [http.ServeMux] with a method, such
// as "PUT /photos/{id}"; its path, wildcards left as they are and a host left out, is the name of the resource. It panics
// where [http.ServeMux.Handle] does; other problems come out of [Guard.Protect], and the route answers 503 until then.
//
// Nothing that rewrites the request may stand between the guard and h.
func (g *Guard) Handle(mux *http.ServeMux, pattern string, h http.Handler, scopes Scopes, opts ...ResourceOption) {
	method, path := splitPattern(pattern)
	mux.Handle(pattern, g.Require(path, method, scopes, opts...)(h))
}

// splitPattern takes a ServeMux pattern apart. Without a method it gives none, which the declaration then lacks.
func splitPattern(pattern string) (method, path string) {
	method, rest, found := strings.Cut(pattern, " ")
	if !found {
		method, rest = "", pattern
	}
	rest = strings.TrimLeft(rest, " \t")
	if i := strings.IndexByte(rest, '/'); i > 0 {
		rest = rest[i:] // after the host
	}
	return method, strings.TrimSuffix(rest, "{$}")
}

// Require declares a resource and gives the wrapper for the handlers of its route, for routers of any kind. path is the
// constant name of the resource, by convention the route's pattern; it is compared with nothing in the request. Requests
// with another method get 405; HEAD counts as GET unless it is declared itself. Problems with the declaration come out of
// [Guard.Protect], and the route answers 503 until then.
func (g *Guard) Require(path, method string, scopes Scopes, opts ...ResourceOption) func(http.Handler) http.Handler {
	rt := &route{path: path, method: method, scopes: slices.Clone(scopes)}
	for _, opt := range opts {
		opt.applyResource(rt)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.routes = append(g.routes, rt)
	if at := (resourceMethod{path, method}); g.first[at] == nil {
		g.first[at] = rt
	}
	return func(next http.Handler) http.Handler { return &guarded{g, rt, next} }
}

// resourceMethod is what oxd knows a route by.
type resourceMethod struct{ path, method string }

// guarded is the innermost wrapper of a handler.
type guarded struct {
	guard *Guard
	route *route
	next  http.Handler
}

func (h *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.guard.serve(w, r, h.route, h.next)
}

// checkRoutes reports all problems of the declarations at once. oxd 3.1.1 would notice hardly any of them: it compares
// ignoring case, takes the first of two equal resources, and fails on tickets for scopes it never registered.
func checkRoutes(routes []*route) error {
	var errs []error
	seen := map[string]*route{}
	spelling := map[string]string{}
	for _, rt := range routes {
		errs = append(errs, rt.check())
		fold := strings.ToLower(rt.path)
		if other, ok := spelling[fold]; ok && other != rt.path {
			errs = append(errs, fmt.Errorf("oxdauth: resources %q and %q are one to oxd, which ignores case", other, rt.path))
		}
		spelling[fold] = rt.path
		if other := seen[rt.key()]; other != nil {
			switch {
			case !other.shared || !rt.shared:
				errs = append(errs, fmt.Errorf("oxdauth: resource %q is declared twice; mark both with Shared if that is meant, or use ResourcePath", rt.key()))
			case other.fingerprint() != rt.fingerprint():
				errs = append(errs, fmt.Errorf("oxdauth: shared resource %q has different scopes", rt.key()))
			}
		}
		seen[rt.key()] = rt
	}
	for key, rt := range seen {
		if rt.method == http.MethodHead && seen[http.MethodGet+" "+rt.path] == nil {
			errs = append(errs, fmt.Errorf("oxdauth: resource %q is declared, but not GET", key))
		}
	}
	return errors.Join(errs...)
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func (rt *route) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("oxdauth: resource %q: "+format, append([]any{rt.key()}, args...)...)
	}
	p := rt.path
	switch {
	case !slices.Contains(methods, rt.method):
		return fail("want a method out of %s", strings.Join(methods, ", "))
	case !strings.HasPrefix(p, "/") || len(p) > 1000 || !utf8.ValidString(p) || strings.ContainsAny(p, "?#") || strings.ContainsFunc(p, turnsInBrowsers):
		return fail("want a path of at most 1000 bytes that starts with / and has no query, fragment or control character")
	case len(rt.scopes) == 0:
		return fail("no scopes")
	case rt.recheck < 0 || rt.recheck > 0 && rt.recheck < time.Second:
		return fail("Recheck of less than a second")
	}
	if err := checkWords("a scope", rt.scopes); err != nil {
		return fail("%w", err)
	}
	for _, scope := range rt.ticketScopes {
		if !slices.Contains(rt.scopes, scope) {
			return fail("ticket scope %q is not one of its scopes", scope)
		}
	}
	return nil
}

// key names a resource and method. A method has no space, so two keys cannot be confused.
func (rt *route) key() string { return rt.method + " " + rt.path }
