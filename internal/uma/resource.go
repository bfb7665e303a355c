// Package uma is what a guard needs of UMA 2.0, as the resource server and as the client of people
// in a browser, with oxd between it and the authorization server.
package uma

// The declared resources. A declaration says once which route stands for which resource, so that a
// decision never has to read the URL of a request again.

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"example.com/oxdauth/internal/web"
)

// Kind says who a resource is for, which decides the form of its refusals.
type Kind byte

// The kinds.
const (
	ByRequest Kind = iota // the headers of each request decide
	API                   // programs: never a page or a redirect
	Page                  // people: always a page
)

// Resource is a declared path and method. After [Declared.Add] its fields must not change.
type Resource struct {
	Path, Method   string
	Scopes         []string // each of them is enough
	TicketScopes   []string // that a permission ticket asks for; empty: all of Scopes
	Shared         bool     // another declaration may be equal to this one
	Kind           Kind
	EncodedSlashes bool          // paths with an encoded slash are let through
	Recheck        time.Duration // between two checks while a request is served; 0: never

	protected atomic.Pointer[grantKey] // set by Protect: the site, the resource and the method
	missing   atomic.Bool              // oxd has said since that it does not protect the resource
}

// Key names the resource and method: "GET /photos/{id}". A method has no space, so two keys cannot
// be confused.
func (r *Resource) Key() string { return r.Method + " " + r.Path }

// Protected reports whether [Registrar.Protect] has succeeded for the resource.
func (r *Resource) Protected() bool { return r.protected.Load() != nil }

// SetMissing records whether oxd has said that it does not protect the resource.
func (r *Resource) SetMissing(missing bool) { r.missing.Store(missing) }

// Declared is the set of resources that a guard knows. The zero value is empty and ready for use.
// It is safe for concurrent use.
type Declared struct {
	mu    sync.RWMutex // guards the rest
	list  []*Resource
	first map[pathMethod]*Resource // the first declaration of each
}

// pathMethod is what oxd finds a resource by.
type pathMethod struct{ path, method string }

// Add declares a resource. Problems with it are returned by [Registrar.Protect].
func (d *Declared) Add(r *Resource) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = append(d.list, r)
	if d.first == nil {
		d.first = map[pathMethod]*Resource{}
	}
	if at := (pathMethod{r.Path, r.Method}); d.first[at] == nil {
		d.first[at] = r
	}
}

// Find returns the first resource that was declared with a path and method, or nil.
func (d *Declared) Find(path, method string) *Resource {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.first[pathMethod{path, method}]
}

// Methods returns the methods declared for a path in alphabetical order, with HEAD beside GET.
func (d *Declared) Methods(path string) []string {
	var methods []string
	for _, r := range d.all() {
		if r.Path != path {
			continue
		}
		methods = append(methods, r.Method)
		if r.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return sorted(methods)
}

// Ready returns nil if oxd protects every declared resource, as far as is known without asking it,
// and otherwise one error for each resource that it does not protect.
func (d *Declared) Ready() error {
	var errs []error
	for _, r := range d.all() {
		switch {
		case !r.Protected():
			errs = append(errs, fmt.Errorf("oxdauth: resource %q: Protect has not succeeded", r.Key()))
		case r.missing.Load():
			errs = append(errs, fmt.Errorf("oxdauth: resource %q: oxd does not protect it any more", r.Key()))
		}
	}
	return errors.Join(errs...)
}

// all returns the resources in the order of their declaration.
func (d *Declared) all() []*Resource {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.list)
}

// check returns all problems of the declarations at once. oxd 3.1.1 would notice hardly any of
// them: it compares ignoring case, takes the first of two equal resources, and fails on tickets for
// scopes that it never registered.
func check(list []*Resource) error {
	var errs []error
	seen := map[string]*Resource{}
	spelling := map[string]string{}
	for _, r := range list {
		errs = append(errs, r.check())
		fold := strings.ToLower(r.Path)
		if other, ok := spelling[fold]; ok && other != r.Path {
			errs = append(errs, fmt.Errorf("oxdauth: resources %q and %q are one to oxd, which ignores case", other, r.Path))
		}
		spelling[fold] = r.Path
		if other := seen[r.Key()]; other != nil {
			switch {
			case !other.Shared || !r.Shared:
				errs = append(errs, fmt.Errorf("oxdauth: resource %q is declared twice; mark both as Shared if that is meant, or give one another Path", r.Key()))
			case other.fingerprint() != r.fingerprint():
				errs = append(errs, fmt.Errorf("oxdauth: shared resource %q has different scopes", r.Key()))
			}
		}
		seen[r.Key()] = r
	}
	for key, r := range seen {
		if r.Method == http.MethodHead && seen[http.MethodGet+" "+r.Path] == nil {
			errs = append(errs, fmt.Errorf("oxdauth: resource %q is declared, but not GET", key))
		}
	}
	return errors.Join(errs...)
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func (r *Resource) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("oxdauth: resource %q: "+format, append([]any{r.Key()}, args...)...)
	}
	p := r.Path
	switch {
	case !slices.Contains(methods, r.Method):
		return fail("want a method out of %s", strings.Join(methods, ", "))
	case !strings.HasPrefix(p, "/") || len(p) > 1000 || !utf8.ValidString(p) || strings.ContainsAny(p, "?#") || strings.ContainsFunc(p, web.Unsafe):
		return fail("want a path of at most 1000 bytes that starts with / and has no query, fragment or control character")
	case len(r.Scopes) == 0:
		return fail("no scopes")
	case r.Recheck < 0 || r.Recheck > 0 && r.Recheck < time.Second:
		return fail("Recheck is less than a second")
	}
	if err := web.CheckWords("a scope", r.Scopes); err != nil {
		return fail("%w", err)
	}
	for _, scope := range r.TicketScopes {
		if !slices.Contains(r.Scopes, scope) {
			return fail("ticket scope %q is not one of its scopes", scope)
		}
	}
	return nil
}

// fingerprint identifies what is registered with oxd for a resource and method.
func (r *Resource) fingerprint() string {
	// Strings can always be encoded.
	data, _ := json.Marshal([]any{r.Method, r.Path, sorted(r.Scopes), sorted(r.TicketScopes)})
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// sorted returns the different words in alphabetical order.
func sorted(words []string) []string {
	words = slices.Clone(words)
	slices.Sort(words)
	return slices.Compact(words)
}
