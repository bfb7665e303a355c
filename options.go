package oxdauth

// The options of New: what each changes, its default, and the one place where defaults are set and checked.

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/internal/logouttoken"
)

// Option changes one setting of [New]. Options are made by the With functions of this package only.
type Option interface{ apply(*settings) error }

type option func(*settings) error

func (o option) apply(s *settings) error { return o(s) }

// ErrorHandler writes the answer for a request that ended in err. [StatusCode] gives the status the default handler
// would use. The request it gets carries neither cookies nor an Authorization header, so that it can be forwarded.
type ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

// settings collects what the options say; New turns it into an immutable Middleware.
type settings struct {
	scopes, acrs, claims []string
	keys                 [][]byte
	idle, absolute       time.Duration
	claimsInterval       time.Duration
	cookieName           string
	logoutRedirect       string
	insecureCookies      bool
	keepForms            bool
	clearSiteData        bool
	notBefore            time.Time
	provider             *logouttoken.Verifier // nil: no back-channel logout
	errorHandler         ErrorHandler
	pages                *template.Template
	pagePolicy           string
	translations         map[string]map[string]string
	logger               *slog.Logger
	onEvent              func(context.Context, Event)
	store                Store
}

func defaultSettings() settings {
	return settings{
		claims:     []string{"name", "email", "preferred_username"},
		idle:       time.Hour,
		absolute:   12 * time.Hour,
		cookieName: "oxdauth",
		pages:      builtinPage,
		pagePolicy: builtinPolicy,
		logger:     slog.Default(),
	}
}

// WithScopes sets the scopes asked for at every login; "openid" is added when it is missing.
// Default: the scopes the site was registered with.
func WithScopes(scopes ...string) Option {
	return option(func(s *settings) error {
		s.scopes = scopes
		return checkWords("a scope", scopes)
	})
}

// WithACR sets the authentication context class references asked for at every login (acr_values, OpenID Connect Core
// section 3.1.2.1). A login that delivers none of them is refused with [ErrACR]. Default: none.
func WithACR(acr string, more ...string) Option {
	return option(func(s *settings) error {
		s.acrs = append([]string{acr}, more...)
		return checkWords("an ACR value", s.acrs)
	})
}

// WithClaims names the claims kept in the session, from the ID token or, when one is missing there, from userinfo.
// Fewer and shorter claims make a smaller cookie. Default: name, email, preferred_username.
func WithClaims(names ...string) Option {
	return option(func(s *settings) error {
		s.claims = names
		return nil
	})
}

// WithClaimsInterval has the claims of [WithClaims] re-read from userinfo, so that somebody who has left a group loses what
// the group may do: no request is served with claims older than interval while userinfo can be had. They are read ahead of
// that in the background, for requests that come by then. When userinfo names another subject, the session ends; when oxd
// or the provider is away, the session goes on with the claims it has, as it does without a valid access token.
// Default: claims are those of the login; at least 10 seconds.
func WithClaimsInterval(interval time.Duration) Option {
	return option(func(s *settings) error {
		if interval < 10*time.Second {
			return fmt.Errorf("oxdauth: WithClaimsInterval: want at least 10s (%v)", interval)
		}
		s.claimsInterval = interval
		return nil
	})
}

// WithKeys sets the secrets that seal the cookies: current writes, previous ones still read, so a key is rotated by
// moving it to previous and, once the absolute session lifetime has passed, removing it. A cookie sealed with a previous
// key is rewritten by the next request that carries it. Each secret needs 32 random bytes, or 64 hexadecimal digits, or
// 43 base64 characters of them.
//
// Default: a random key of this process; every session ends with it, and a second replica cannot read them.
func WithKeys(current []byte, previous ...[]byte) Option {
	return option(func(s *settings) error {
		s.keys = append([][]byte{current}, previous...)
		var errs []error
		for i, key := range s.keys {
			if err := checkKey(key); err != nil {
				errs = append(errs, fmt.Errorf("oxdauth: WithKeys: key %d: %w", i, err))
			}
		}
		return errors.Join(errs...)
	})
}

// WithSessionLifetime sets the two limits of a session, both kept inside the sealed cookie. Idle is counted from the
// last request, to within a tenth of itself, because the cookie is rewritten at most once in that time. Absolute is
// counted from the login and never extended. Default: 1 hour and 12 hours; at least a minute, idle not above absolute,
// absolute at most 400 days.
func WithSessionLifetime(idle, absolute time.Duration) Option {
	return option(func(s *settings) error {
		if idle < time.Minute || absolute < idle || absolute > 400*24*time.Hour {
			return fmt.Errorf("oxdauth: WithSessionLifetime: want 1m <= idle (%v) <= absolute (%v) <= 400 days", idle, absolute)
		}
		s.idle, s.absolute = idle, absolute
		return nil
	})
}

// WithCookieName sets the base of all cookie names, without the __Host- prefix, which is added. Two middlewares on one
// host need two names. Default: oxdauth.
func WithCookieName(name string) Option {
	return option(func(s *settings) error {
		if !isToken(name) || len(name) > 64 || strings.HasPrefix(name, "__") {
			return fmt.Errorf("oxdauth: WithCookieName: %q is not a cookie name of at most 64 characters without prefix", name)
		}
		s.cookieName = name
		return nil
	})
}

// WithLogoutRedirect sets the post_logout_redirect_uri (OpenID Connect RP-Initiated Logout section 2): where the provider
// sends the browser after signing out. It must be registered with the site.
// Default: the root of the origin of the redirect URL.
func WithLogoutRedirect(absoluteURL string) Option {
	return option(func(s *settings) error {
		u, err := url.Parse(absoluteURL)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			return fmt.Errorf("oxdauth: WithLogoutRedirect: %q is not an absolute http(s) URL", absoluteURL)
		}
		s.logoutRedirect = absoluteURL
		return nil
	})
}

// WithFormPreservation keeps a form that a person submits after the session has ended: they sign in and are asked whether to
// send it. It is kept sealed in the browser, for this login and one use. Kept are forms without files
// (application/x-www-form-urlencoded) submitted from a page of this origin that fit in one cookie: about 2 KB, more when the
// text compresses. Everything else is refused as without this option, with a page that says that nothing was processed.
// Default: off.
func WithFormPreservation() Option {
	return option(func(s *settings) error {
		s.keepForms = true
		return nil
	})
}

// WithInsecureCookies allows plain http on a loopback host (localhost, 127.0.0.0/8, ::1), for development. Cookies then
// have neither Secure nor the __Host- prefix, so any program on the machine that serves the same host can plant them.
// [New] refuses it for every other redirect URL.
func WithInsecureCookies() Option {
	return option(func(s *settings) error {
		s.insecureCookies = true
		return nil
	})
}

// WithErrorHandler replaces the pages and JSON bodies this package writes for errors. Default: a plain page with the
// status text and a request id for people, a JSON object for everything else, as [Middleware.WriteError] writes them.
func WithErrorHandler(h ErrorHandler) Option {
	return option(func(s *settings) error {
		if h == nil {
			return errors.New("oxdauth: WithErrorHandler: nil handler")
		}
		s.errorHandler = h
		return nil
	})
}

// WithLogger sets where refusals, failures and warnings are logged; tokens, codes and cookies never are.
// Default: [slog.Default] at the time of [New].
func WithLogger(l *slog.Logger) Option {
	return option(func(s *settings) error {
		if l == nil {
			return errors.New("oxdauth: WithLogger: nil logger")
		}
		s.logger = l
		return nil
	})
}

// site is what the redirect URL decides; nothing of it ever comes from a request.
type site struct {
	origin                              string // scheme://host[:port]
	callbackPath, loginPath, logoutPath string
	frontChannelPath, backChannelPath   string
	secure                              bool
}

// owns reports whether a path is answered by the middleware itself, or may come to be.
func (s site) owns(path string) bool {
	return path != "" && slices.Contains([]string{s.callbackPath, s.loginPath, s.logoutPath, s.frontChannelPath, s.backChannelPath}, path)
}

// parseRedirectURL checks the redirect URL and derives the origin and our paths from it.
func parseRedirectURL(raw string, insecure bool) (site, error) {
	fail := func(reason string) (site, error) {
		return site{}, fmt.Errorf("oxdauth: redirect URL %q: %s", raw, reason)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fail("not a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.Opaque != "":
		return fail("want an absolute https URL")
	case strings.HasPrefix(u.Host, "[") && net.ParseIP(strings.SplitN(u.Hostname(), "%", 2)[0]) == nil:
		return fail("the host in brackets is not an IPv6 address")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, strings.Contains(raw, "#"):
		return fail("want no user, query or fragment: oxd does not encode the redirect URI")
	case u.Path == "" || u.Path == "/" || path.Clean(u.Path) != u.Path || u.EscapedPath() != u.Path:
		return fail("want a clean path of its own, such as /auth/callback")
	case u.Scheme == "https" && insecure:
		return fail("WithInsecureCookies is for plain http on a loopback host")
	case u.Scheme == "http" && !insecure:
		return fail("plain http needs WithInsecureCookies")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return fail("plain http is accepted for loopback hosts only")
	}
	dir := strings.TrimSuffix(path.Dir(u.Path), "/")
	s := site{
		origin: u.Scheme + "://" + strings.ToLower(u.Host), secure: u.Scheme == "https",
		callbackPath: u.Path, loginPath: dir + "/login", logoutPath: dir + "/logout",
		frontChannelPath: dir + "/frontchannel-logout", backChannelPath: dir + "/backchannel-logout",
	}
	if slices.Contains([]string{s.loginPath, s.logoutPath, s.frontChannelPath, s.backChannelPath}, s.callbackPath) {
		return fail("login and logout are served beside the callback under these names; choose another callback path")
	}
	return s, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// checkKey refuses keys that cannot hold 256 bits of entropy: too short, too few different bytes, or text of too few digits.
func checkKey(key []byte) error {
	distinct := map[byte]bool{}
	hexOnly, base64Only := true, true
	for _, c := range key {
		distinct[c] = true
		alnum := c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		hexOnly = hexOnly && alnum && (c <= '9' || c|0x20 <= 'f')
		base64Only = base64Only && (alnum || strings.IndexByte("+/-_=", c) >= 0)
	}
	need := 32
	if hexOnly {
		need = 64
	} else if base64Only {
		need = 43
	}
	switch {
	case len(key) < need:
		return fmt.Errorf("%d bytes; want 32 random bytes, 64 hexadecimal digits or 43 base64 characters", len(key))
	case len(distinct) < 10:
		return errors.New("too few different bytes to be random")
	}
	return nil
}

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails since Go 1.24: a broken source ends the process
	return key
}

// checkWords refuses what cannot stand in a space-separated list of scope or acr_values (RFC 6749 section 3.3).
func checkWords(what string, words []string) error {
	for _, word := range words {
		bad := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }
		if word == "" || len(word) > 256 || strings.ContainsFunc(word, bad) {
			return fmt.Errorf("oxdauth: %q is not %s", word, what)
		}
	}
	return nil
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2, which is what a cookie name has to be.
func isToken(s string) bool { return s != "" && !strings.ContainsFunc(s, notInToken) }

func notInToken(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", c)
}
