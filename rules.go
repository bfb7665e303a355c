package oxdauth

// Rules: what each path tree of an application needs, declared in one place in front of it.

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/oxdauth/internal/web"
)

// Rules protects whole path trees of a handler that does not do so itself, such as a reverse proxy.
// It is immutable and safe for concurrent use.
type Rules struct {
	auth  *Middleware
	mux   *http.ServeMux // of *rule; it only looks them up
	rules []*rule        // by pattern
}

// rule is registered at the mux as what it makes of a handler that answers 404.
type rule struct {
	pattern string
	wrap    func(http.Handler) http.Handler
	http.Handler
}

// NewRules makes rules out of patterns and what each needs: [Public], [Middleware.Optional],
// [Middleware.Handler], [Middleware.RequireACR], [Middleware.RequireMaxAge],
// [Middleware.RequireClaim], [Guard.Require] or a wrapper of the application's own.
//
//	rules, err := oxdauth.NewRules(auth, map[string]func(http.Handler) http.Handler{
//		"/":                auth.Handler,
//		"GET /assets/":     oxdauth.Public("style sheets and pictures"),
//		"/settings/":       auth.RequireACR("otp"),
//		"/admin/":          auth.RequireClaim("groups", "admins"),
//		"PUT /photos/{id}": guard.Require(photo),
//	})
//
// Patterns are those of [http.ServeMux] without a host, and the most specific one decides:
// "/admin/" is a whole tree, "/admin" and "/admin/{$}" are one path each, "GET" includes HEAD, and
// without a method the rule is for all of them. A tree includes its root without the slash, /admin,
// unless that has a rule of its own. Nothing but the method and the path of r.URL decides; the
// query, the host and all headers are left aside, so preflight requests need a rule like any other.
//
// All problems with the rules are reported at once: patterns that are invalid, that conflict, or
// that no request can come to.
func NewRules(auth *Middleware, needs map[string]func(http.Handler) http.Handler) (*Rules, error) {
	if auth == nil {
		return nil, errors.New("oxdauth: NewRules: nil middleware")
	}
	rs := &Rules{auth: auth, mux: http.NewServeMux()}
	var errs []error
	for _, pattern := range slices.Sorted(maps.Keys(needs)) {
		r := &rule{pattern: pattern, wrap: needs[pattern]}
		if err := rs.add(r); err != nil {
			errs = append(errs, fmt.Errorf("oxdauth: rule %q: %w", pattern, err))
			continue
		}
		rs.rules = append(rs.rules, r)
	}
	for _, r := range rs.rules { // when all are there
		if err := rs.reachable(r); err != nil {
			errs = append(errs, fmt.Errorf("oxdauth: rule %q: %w", r.pattern, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return rs, nil
}

// add registers a rule. ServeMux panics with what is wrong, and names the line here that called it.
func (rs *Rules) add(r *rule) (err error) {
	if r.wrap != nil {
		r.Handler = r.wrap(http.NotFoundHandler())
	}
	if r.Handler == nil {
		return errors.New("nothing says what it needs")
	}
	defer func() {
		if fault := recover(); fault != nil {
			text := fmt.Sprint(fault)
			if _, why, conflict := strings.Cut(text, "):\n"); conflict {
				text = "conflict: " + why
			}
			err = errors.New(strings.ReplaceAll(text, "\n", " "))
		}
	}()
	rs.mux.Handle(r.pattern, r)
	return nil
}

// reachable makes sure that a request can come to a rule.
func (rs *Rules) reachable(r *rule) error {
	examples, err := rs.examples(r)
	if err != nil {
		return err
	}
	for _, e := range examples {
		switch {
		case rs.auth.site.Owns(e.URL.Path):
			return errors.New("the middleware itself answers this path")
		case web.CheckClearPath(e.URL) != nil:
			return errors.New("its path can be read in more than one way, and such requests are refused")
		}
	}
	if !slices.ContainsFunc(examples, func(e *http.Request) bool { return find(rs.mux, e) == r }) {
		return errors.New("no request can come to it")
	}
	return nil
}

// examples returns requests that match a rule and as few others as possible: what the rule leaves
// open is longer than anything that any rule names. For a tree there is one of every depth that a
// rule has, and one deeper.
func (rs *Rules) examples(r *rule) ([]*http.Request, error) {
	longest, depth := 0, 0
	for _, other := range rs.rules {
		longest, depth = max(longest, len(other.pattern)), max(depth, strings.Count(other.pattern, "/"))
	}
	unnamed := strings.Repeat("x", longest+1)
	method, path := web.SplitPattern(r.pattern)
	if strings.Trim(r.pattern[len(method):], " \t")[0] != '/' {
		return nil, errors.New("a host does not decide: want a path, with a method or without")
	}
	if method == "" {
		method = unnamed
	}
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if strings.HasPrefix(segment, "{") {
			segments[i] = unnamed
		}
		if strings.HasSuffix(segment, "...}") {
			segments[i] = ""
		}
	}
	paths := []string{strings.Join(segments, "/")}
	if strings.HasSuffix(paths[0], "/") && !strings.HasSuffix(r.pattern, "{$}") {
		for tail := unnamed; depth >= 0; depth-- {
			paths = append(paths, paths[0]+tail, paths[0]+tail+"/")
			tail += "/" + unnamed
		}
	}
	examples := make([]*http.Request, len(paths))
	for i, path := range paths {
		plain, err := url.PathUnescape(path)
		if err != nil {
			return nil, errors.New("its path is not properly escaped")
		}
		examples[i] = &http.Request{Method: method, URL: &url.URL{Path: plain, RawPath: path}}
	}
	return examples, nil
}

// find returns the rule for a request whose path is clear, nil when there is none. For the root of
// a tree without the slash a ServeMux has a redirect; here the rule of the tree decides, because
// the handler behind may serve that path.
func find(mux *http.ServeMux, req *http.Request) *rule {
	lookup := func(path string) *rule {
		h, _ := mux.Handler(&http.Request{Method: req.Method, URL: &url.URL{Path: path}}) // no host, no query, no header
		r, _ := h.(*rule)
		return r
	}
	r := lookup(req.URL.Path)
	if r == nil && !strings.HasSuffix(req.URL.Path, "/") {
		r = lookup(req.URL.Path + "/")
	}
	return r
}

// Handler puts the rules in front of next. What no rule covers is refused with 403, signed in or
// not ([ErrForbidden]). A path that a router or a server behind might read as another one is
// refused with 400 before any rule is looked at: dot segments, empty segments, semicolons, encoded
// slashes, backslashes, control characters, a raw #, invalid UTF-8. The path counts as decoded
// once, and letters of different case as different. It answers the callback, login and logout paths
// itself.
//
// Nothing that rewrites the request may stand between the rules and next.
func (rs *Rules) Handler(next http.Handler) http.Handler {
	handlers := make(map[*rule]http.Handler, len(rs.rules))
	for _, r := range rs.rules {
		handlers[r] = r.wrap(next)
	}
	ruled := serveOwn(rs.auth.own, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, ok := handlers[find(rs.mux, r)]
		if !ok {
			rs.auth.answers.fail(w, r, ErrForbidden)
			return
		}
		h.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := web.CheckClearPath(r.URL); err != nil {
			rs.auth.answers.fail(w, r, err)
			return
		}
		ruled.ServeHTTP(w, r)
	})
}

// RuleReport is one rule as it works together with the others.
type RuleReport struct {
	Pattern string
	// Needs says what requests need, in words for people. What nothing is asked of begins with
	// "nothing".
	Needs string
	// Except has the patterns of narrower rules, which take some of its requests away from this
	// one.
	Except []string
}

// Report lists the rules by pattern, to be logged at start or compared in a test of the
// application.
func (rs *Rules) Report() []RuleReport {
	list := make([]RuleReport, len(rs.rules))
	for i, r := range rs.rules {
		list[i] = RuleReport{Pattern: r.pattern, Needs: r.needs()}
		alone := http.NewServeMux()
		alone.Handle(r.pattern, r)
		for _, other := range rs.rules {
			examples, _ := rs.examples(other) // NewRules has made them before
			missed := slices.ContainsFunc(examples, func(e *http.Request) bool { return find(alone, e) != r })
			if other != r && !missed {
				list[i].Except = append(list[i].Except, other.pattern)
			}
		}
	}
	return list
}

func (r *rule) needs() string {
	if h, ok := r.Handler.(interface{ needs() string }); ok {
		return h.needs()
	}
	return "a wrapper of the application"
}
