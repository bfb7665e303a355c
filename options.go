package oxdauth

// The options of New: what each changes, its default and its limits.

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/internal/logouttoken"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/texts"
	"example.com/oxdauth/internal/web"
)

// Option changes one setting of [New]. Options are made by the With functions of this package only.
type Option interface{ apply(*settings) error }

type option func(*settings) error

func (o option) apply(s *settings) error { return o(s) }

// settings collects what the options say; New makes the components from it.
type settings struct {
	cookies      cookieSettings
	logins       loginSettings
	logouts      logoutSettings
	pages        pageSettings
	interval     time.Duration // of re-reading claims
	notBefore    time.Time
	verifier     *logouttoken.Verifier // nil: no back-channel logout
	errorHandler ErrorHandler
	journal      journal
	store        Store  // nil: none
	prefix       string // of paths
	endpoints    web.Endpoints
}

func newSettings(opts []Option) (settings, error) {
	s := settings{
		cookies: cookieSettings{idle: time.Hour, absolute: 12 * time.Hour, name: "oxdauth"},
		logins:  loginSettings{claims: []string{"name", "email", "preferred_username"}},
		pages:   pageSettings{template: builtinPage, policy: builtinPolicy},
		journal: journal{Logger: slog.Default()},
	}
	var errs []error
	for _, opt := range opts {
		errs = append(errs, opt.apply(&s))
	}
	if scopes := s.logins.scopes; len(scopes) > 0 && !slices.Contains(scopes, "openid") {
		s.logins.scopes = append([]string{"openid"}, scopes...)
	}
	return s, errors.Join(errs...)
}

// WithScopes sets the scopes asked for at every login; "openid" is added when it is missing.
// Default: the scopes the site was registered with.
func WithScopes(scopes ...string) Option {
	return option(func(s *settings) error {
		s.logins.scopes = scopes
		return web.CheckWords("a scope", scopes)
	})
}

// WithACR sets the authentication context class references asked for at every login (acr_values,
// OpenID Connect Core section 3.1.2.1). A login that delivers none of them is refused with
// [ErrACR]. Default: none.
func WithACR(acr string, more ...string) Option {
	return option(func(s *settings) error {
		s.logins.acrs = append([]string{acr}, more...)
		return web.CheckWords("an ACR value", s.logins.acrs)
	})
}

// WithClaims names the claims kept in the session, from the ID token or, when one is missing there,
// from userinfo. Fewer and shorter claims make a smaller cookie.
// Default: name, email, preferred_username.
func WithClaims(names ...string) Option {
	return option(func(s *settings) error {
		s.logins.claims = names
		return nil
	})
}

// WithClaimsInterval has the claims of [WithClaims] re-read from userinfo, so that a person who has
// left a group loses what the group may do: no request is served with claims older than interval
// while userinfo can be had. They are read ahead of that in the background, for requests that come
// by then. When userinfo names another subject, the session ends; when oxd or the provider is away,
// the session goes on with the claims it has, as it does without a valid access token. Default:
// claims are those of the login; at least 10 seconds.
func WithClaimsInterval(interval time.Duration) Option {
	return option(func(s *settings) error {
		if interval < 10*time.Second {
			return fmt.Errorf("oxdauth: WithClaimsInterval: want at least 10s (%v)", interval)
		}
		s.interval = interval
		return nil
	})
}

// WithKeys sets the secrets that seal the cookies: current writes, previous ones still read, so a
// key is rotated by moving it to previous and, once the absolute session lifetime has passed,
// removing it. A cookie sealed with a previous key is rewritten by the next request that carries
// it. Each secret needs 32 random bytes, or 64 hexadecimal digits, or 43 base64 characters of them.
//
// Default: a random key of this process; every session ends with it, and a second replica cannot
// read them.
func WithKeys(current []byte, previous ...[]byte) Option {
	return option(func(s *settings) error {
		s.cookies.keys = append([][]byte{current}, previous...)
		var errs []error
		for i, key := range s.cookies.keys {
			if err := sealed.CheckKey(key); err != nil {
				errs = append(errs, fmt.Errorf("oxdauth: WithKeys: key %d: %w", i, err))
			}
		}
		return errors.Join(errs...)
	})
}

// WithSessionLifetime sets the two limits of a session, both kept inside the sealed cookie. Idle is
// counted from the last request, to within a tenth of itself, because the cookie is rewritten at
// most once in that time. Absolute is counted from the login and never extended. Default: 1 hour
// and 12 hours; at least a minute, idle not above absolute, absolute at most 400 days.
func WithSessionLifetime(idle, absolute time.Duration) Option {
	return option(func(s *settings) error {
		if idle < time.Minute || absolute < idle || absolute > 400*24*time.Hour {
			return fmt.Errorf("oxdauth: WithSessionLifetime: want 1m <= idle (%v) <= absolute (%v) <= 400 days", idle, absolute)
		}
		s.cookies.idle, s.cookies.absolute = idle, absolute
		return nil
	})
}

// WithNotBefore refuses every session created before t: after keys or cookies may have leaked, or
// at a start after which the sessions ended by the former process, which only that process had
// listed, must not come back. Sessions hold the second of their creation only; those of the second
// in which t lies are refused unless it begins with t. t must not be in the future. Default: none.
func WithNotBefore(t time.Time) Option {
	return option(func(s *settings) error {
		if t.After(time.Now()) {
			return fmt.Errorf("oxdauth: WithNotBefore: %v is in the future; logins would go round until then", t)
		}
		s.notBefore = t
		return nil
	})
}

// WithStore keeps the tokens of sessions, and the list of ended ones, in a store that all replicas
// share; they need the same [WithKeys] as well. Default: tokens travel in a cookie, and each
// process has its own list.
//
// With a store only the small identity cookie travels, whatever the size of the tokens. A session
// that ends on one replica has ended on all, until its absolute limit; what
// [Middleware.RevokeSubject] and the provider end has ended on the other replicas within five
// seconds. The price is one read of the store for each request with a session, and two more every
// five seconds; another one, of the tokens, when the application asks for a token or a refresh is
// due, and one when a [Guard] needs the session. What is written for a session is deleted when it
// ends and otherwise expires with it.
//
// Two replicas that find the same session due make one refresh; the other waits for it, no longer
// than it would for its own, and takes the tokens from the store. With a [Locker] this is exact.
// Any other store gets a marker, written, left alone for 50 ms and read back: exact while a write
// is seen by the others within that time, best effort on a store slower than that.
//
// When the store fails, requests with a session are answered 503 ([ErrStore]) and so is the end of
// a login; only [Middleware.Optional] goes on, without a session. Nothing is let through unchecked,
// and no token is refreshed that could not be stored: a refresh under way tries for ten seconds
// more to store what it got, and after that its tokens are lost. Signing out ends the session in
// its browser and on its replica; that replica writes it to the store with the next requests after
// it is back, and if the replica is stopped before, the session stays alive on the others. A store
// that loses its data forgets which sessions have ended, so let it write to disk; the sessions it
// has lost the tokens of end at their next refresh. The same is true of sessions that began before
// the application had a store.
func WithStore(store Store) Option {
	return option(func(s *settings) error {
		if store == nil {
			return errors.New("oxdauth: WithStore: nil store")
		}
		s.store = store
		return nil
	})
}

// WithPathPrefix declares a path prefix that is taken away from requests before they arrive, by a
// proxy or by [http.StripPrefix]: with the prefix /admin and the redirect URL
// https://example.org/admin/auth/callback, the callback arrives as /auth/callback. Redirects, links
// and forms have the prefix. Default: none, requests arrive with the path that the browser sees.
func WithPathPrefix(prefix string) Option {
	return option(func(s *settings) error {
		s.prefix = prefix
		if prefix == "" {
			return errors.New("oxdauth: WithPathPrefix: no prefix")
		}
		return nil
	})
}

// Endpoints are paths that [Middleware.Handler] answers itself, as requests arrive. An empty one
// stands beside the callback: for /auth/callback they are /auth/login, /auth/logout,
// /auth/frontchannel-logout and /auth/backchannel-logout.
type Endpoints struct{ Login, Logout, FrontChannelLogout, BackChannelLogout string }

// WithEndpoints sets paths that the middleware answers, where the ones beside the callback belong
// to the application. Default: those beside the callback. Where the callback is directly below the
// root, so that they are paths such as /login, [New] names them in the log.
func WithEndpoints(e Endpoints) Option {
	return option(func(s *settings) error {
		s.endpoints = web.Endpoints{
			Login: e.Login, Logout: e.Logout, FrontChannel: e.FrontChannelLogout, BackChannel: e.BackChannelLogout,
		}
		return nil
	})
}

// WithCookieName sets the base of all cookie names, without the __Host- prefix, which is added. Two
// middlewares on one host need two names. Default: oxdauth.
func WithCookieName(name string) Option {
	return option(func(s *settings) error {
		if !web.IsToken(name) || len(name) > 64 || strings.HasPrefix(name, "__") {
			return fmt.Errorf("oxdauth: WithCookieName: %q is not a cookie name of at most 64 characters without prefix", name)
		}
		s.cookies.name = name
		return nil
	})
}

// WithInsecureCookies allows plain http on a loopback host (localhost, 127.0.0.0/8, ::1), for
// development. Cookies then have neither Secure nor the __Host- prefix, so any program on the
// machine that serves the same host can plant them. [New] refuses it for every other redirect URL.
func WithInsecureCookies() Option {
	return option(func(s *settings) error {
		s.cookies.insecure = true
		return nil
	})
}

// WithFormPreservation keeps a form that a person submits after the session has ended: they sign in
// and are asked whether to send it. It is kept sealed in the browser, for this login and one use.
// Kept are forms without files (application/x-www-form-urlencoded) submitted from a page of this
// origin that fit in one cookie: about 2 KB, more when the text compresses. Everything else is
// refused as without this option, with a page that says that nothing was processed. Default: off.
func WithFormPreservation() Option {
	return option(func(s *settings) error {
		s.logins.keepForms = true
		return nil
	})
}

// WithClearSiteData makes the answer to a logout ask the browser to delete what it has cached and
// stored for this origin: Clear-Site-Data: "cache", "storage". Cookies of others are left alone. It
// concerns every application of the origin and can take a browser seconds. Default: off.
func WithClearSiteData() Option {
	return option(func(s *settings) error {
		s.logouts.clearSiteData = true
		return nil
	})
}

// WithFrontChannelLogout makes the middleware end sessions on a message of the provider's logout
// page; see [Middleware.FrontChannelLogout]. The address is registered with the site. Default: off.
func WithFrontChannelLogout() Option {
	return option(func(s *settings) error {
		s.logouts.frontChannel = true
		return nil
	})
}

// WithBackChannelLogout makes the middleware end sessions on the provider's word (OpenID Connect
// Back-Channel Logout 1.0); see [Middleware.BackChannelLogout]. issuer is the iss of the provider's
// tokens, an https URL; its keys are found by discovery over client, which follows no redirects for
// it and gets 10 seconds. client nil means the roots of the system. The keys are fetched when the
// first logout token comes, again after an hour, and at most once a minute for keys that are not
// known. Default: off.
func WithBackChannelLogout(issuer string, client *http.Client) Option {
	return option(func(s *settings) (err error) {
		if s.verifier, err = logouttoken.New(issuer, client); err != nil {
			return fmt.Errorf("oxdauth: WithBackChannelLogout: %w", err)
		}
		return nil
	})
}

// WithErrorHandler replaces the pages and JSON bodies that this package writes for errors. Default:
// a plain page with the status text and a request id for people, a JSON object for everything else,
// as [Middleware.WriteError] writes them.
func WithErrorHandler(h ErrorHandler) Option {
	return option(func(s *settings) error {
		if h == nil {
			return errors.New("oxdauth: WithErrorHandler: nil handler")
		}
		s.errorHandler = h
		return nil
	})
}

// WithPageTemplate replaces the built-in pages. t is executed with a [PageData]; parse it with
// [html/template], from files with [template.ParseFS]. policy is the Content-Security-Policy of the
// pages: without inline script or style, "default-src 'none'; style-src 'self'; img-src 'self';
// base-uri 'none'; frame-ancestors 'none'" is a good start, and a form-action would stop the
// redirect of the logout form to the provider. [New] refuses a template that fails on any page.
// Default: a plain card with a style sheet of its own, light or dark as the browser prefers.
func WithPageTemplate(t *template.Template, policy string) Option {
	return option(func(s *settings) error {
		if t == nil || policy == "" || strings.ContainsAny(policy, "\r\n") {
			return errors.New("oxdauth: WithPageTemplate: no template or no policy")
		}
		full := PageData{
			Lang: "en", Status: http.StatusOK, Title: "t", Text: "t", Link: "/", Post: "/", Fields: []FormField{{"n", "v"}},
			Button: "b", Other: "o", RequestID: "r", RequestLabel: "l",
		}
		for _, p := range []PageData{{}, full} {
			if err := t.Execute(io.Discard, p); err != nil {
				return fmt.Errorf("oxdauth: WithPageTemplate: %w", err)
			}
		}
		s.pages.template, s.pages.policy = t, policy
		return nil
	})
}

// WithTranslations adds languages to the pages. The keys are language tags (BCP 47) such as "de" or
// "pt-BR", the values map each of [PageTexts] to its translation; a text that is missing or unknown
// is an error. A browser gets the language its Accept-Language header prefers, English where none
// fits. That language is passed to the provider as ui_locales (OpenID Connect Core section
// 3.1.2.1), so that its login page speaks it as well. Default: English, and no ui_locales.
func WithTranslations(languages map[string]map[string]string) Option {
	return option(func(s *settings) (err error) {
		s.pages.texts, err = texts.New(languages)
		return err
	})
}

// WithLogger sets where refusals, failures and warnings are logged; tokens, codes and cookies never
// are. Default: [slog.Default] at the time of [New].
func WithLogger(l *slog.Logger) Option {
	return option(func(s *settings) error {
		if l == nil {
			return errors.New("oxdauth: WithLogger: nil logger")
		}
		s.journal.Logger = l
		return nil
	})
}

// WithEventHook has f called with each [Event], exactly once. f runs before the answer is written,
// must be safe for concurrent use and quick, and cannot change anything: a panic in it is logged.
// Decisions of a [Guard] are not events; see [WithDecisionHook]. Default: none.
func WithEventHook(f func(context.Context, Event)) Option {
	return option(func(s *settings) error {
		if f == nil {
			return errors.New("oxdauth: WithEventHook: nil function")
		}
		s.journal.onEvent = f
		return nil
	})
}
