package web

// The site: everything that the redirect URL decides.

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
)

// Site is where an application is served. All of it comes from the redirect URL and nothing from
// a request. It is immutable and safe for concurrent use. [ParseSite] makes it.
type Site struct {
	Origin string // scheme://host[:port], the host in lower case
	Secure bool   // the scheme is https

	CallbackPath, LoginPath, LogoutPath string
	FrontChannelPath, BackChannelPath   string

	crossOrigin http.CrossOriginProtection
}

// ParseSite checks a redirect URL and derives the site from it. With insecure it wants plain http
// on a loopback host, otherwise https.
func ParseSite(redirectURL string, insecure bool) (*Site, error) {
	fail := func(reason string) (*Site, error) {
		return nil, fmt.Errorf("oxdauth: redirect URL %q: %s", redirectURL, reason)
	}
	u, err := url.Parse(redirectURL)
	switch {
	case err != nil:
		return fail("not a URL")
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.Opaque != "":
		return fail("want an absolute https URL")
	// Go before 1.25.2 parses any host in brackets (CVE-2025-47912).
	case strings.HasPrefix(u.Host, "[") && net.ParseIP(strings.SplitN(u.Hostname(), "%", 2)[0]) == nil:
		return fail("the host in brackets is not an IPv6 address")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, strings.Contains(redirectURL, "#"):
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
	s := &Site{
		Origin: u.Scheme + "://" + strings.ToLower(u.Host), Secure: u.Scheme == "https",
		CallbackPath: u.Path, LoginPath: dir + "/login", LogoutPath: dir + "/logout",
		FrontChannelPath: dir + "/frontchannel-logout", BackChannelPath: dir + "/backchannel-logout",
	}
	if slices.Contains([]string{s.LoginPath, s.LogoutPath, s.FrontChannelPath, s.BackChannelPath}, s.CallbackPath) {
		return fail("login and logout are served beside the callback under these names; choose another callback path")
	}
	if err := s.crossOrigin.AddTrustedOrigin(s.Origin); err != nil { // an IPv6 zone
		return fail(err.Error())
	}
	return s, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

// Owns reports whether a path is one of the site's own, whether it is served or not.
func (s *Site) Owns(path string) bool {
	return path != "" && slices.Contains([]string{
		s.CallbackPath, s.LoginPath, s.LogoutPath, s.FrontChannelPath, s.BackChannelPath,
	}, path)
}

// RedirectURL returns the absolute URL of the callback.
func (s *Site) RedirectURL() string { return s.Origin + s.CallbackPath }

// LoginURL returns the absolute URL at which a login can be started by a link.
func (s *Site) LoginURL() string { return s.Origin + s.LoginPath }

// ReturnTo is [LocalTarget], but returns "/" for what LocalTarget refuses and for the site's own
// paths, where a return would loop.
func (s *Site) ReturnTo(raw string) string {
	target, ok := LocalTarget(raw)
	path, _, _ := strings.Cut(target, "?")
	if !ok || s.Owns(path) {
		return "/"
	}
	return target
}

// SameOrigin reports whether a request comes from a page of the site, or from no browser. It is
// stricter than [http.CrossOriginProtection] with browsers that send no Sec-Fetch-Site: the whole
// Origin has to match, including the scheme.
func (s *Site) SameOrigin(r *http.Request) bool {
	for _, origin := range r.Header["Origin"] {
		if origin != s.Origin {
			return false
		}
	}
	return s.crossOrigin.Check(r) == nil
}
