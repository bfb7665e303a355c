package oxdauth

// The resources that a guard protects, as an application declares them.

import (
	"slices"
	"time"

	"example.com/oxdauth/internal/uma"
)

// Resource is what a route stands for at the authorization server. The zero values are the
// defaults, except for Path, Method and Scopes.
type Resource struct {
	// Path is the constant name of the resource, by convention the pattern of its route. It is
	// compared with nothing in the request. [Guard.Handle] takes it from its pattern when it is
	// empty; it is needed there under [http.StripPrefix], where the patterns of two mounts can be
	// equal.
	Path string
	// Method is the one that is checked; requests with another one get 405. HEAD counts as GET
	// unless it is declared itself. [Guard.Handle] takes it from its pattern.
	Method string
	// Scopes open the resource, each of them alone: oxd has no other rule. Where all are meant,
	// make it one scope. A scope without a policy at the authorization server is open to everybody.
	Scopes []string
	// TicketScopes are the scopes that a permission ticket asks for; each must be one of Scopes.
	// Default: all of them.
	TicketScopes []string
	// Shared lets several routes stand for one path and method, such as an old and a new address.
	// All of them need it, and the same scopes.
	Shared bool
	// Kind decides the form of refusals.
	Kind ResourceKind
	// EncodedSlashes lets encoded slashes through, for wildcards that expect them. Otherwise 400.
	EncodedSlashes bool
	// Recheck has oxd asked again at this interval while a request is served, past any cache. When
	// access is not granted any more, or no decision could be had three times in a row, the
	// request's context ends with [ErrAccessWithdrawn], which the handler has to watch. For event
	// streams and WebSockets. At least a second; zero: one decision, at the beginning.
	Recheck time.Duration
}

// ResourceKind is whom a resource is for.
type ResourceKind uint8

// The kinds of resources.
const (
	KindByRequest ResourceKind = iota // the headers of each request decide
	KindAPI                           // programs: refusals are never pages or redirects
	KindPage                          // people: a request without Authorization header is refused with a page; needs WithSessions
)

var umaKinds = map[ResourceKind]uma.Kind{KindByRequest: uma.ByRequest, KindAPI: uma.API, KindPage: uma.Page}

// declared returns the resource as internal/uma has it. Its problems are found by Protect.
func (r Resource) declared() *uma.Resource {
	return &uma.Resource{
		Path: r.Path, Method: r.Method, Scopes: slices.Clone(r.Scopes), TicketScopes: slices.Clone(r.TicketScopes),
		Shared: r.Shared, Kind: umaKinds[r.Kind], EncodedSlashes: r.EncodedSlashes, Recheck: r.Recheck,
	}
}
