package web

// The site: everything that the redirect URL decides.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Endpoints are the paths of a site beside its callback, as requests arrive.
type Endpoints struct{ Login, Logout, FrontChannel, BackChannel string }

// SiteConfig is what [ParseSite] needs.
type SiteConfig struct {
	RedirectURL string    // the callback as the browser sees it
	Prefix      string    // of the path, taken away before requests arrive; "": none
	Insecure    bool      // plain http on a loopback host, otherwise https
	Endpoints   Endpoints // an empty one stands beside the callback
}

// Site is where an application is served. All of it comes from the configuration and nothing from a
// request. Paths are those of requests as they arrive; what a browser sees has [Site.Outside]
// around it. It is immutable and safe for concurrent use. [ParseSite] makes it.
type Site struct {
	Origin       string // scheme://host[:port] in the form of the WHATWG URL standard
	Secure       bool   // the scheme is https
	CallbackPath string
	Endpoints    Endpoints

	redirectURL string // as it was given
	audience    string
	prefix      string
	crossOrigin http.CrossOriginProtection
}

// ParseSite checks the addresses and derives the site from them.
func ParseSite(c SiteConfig) (*Site, error) {
	u, err := url.Parse(c.RedirectURL)
	if err == nil {
		err = checkRedirectURL(u, c)
	} else {
		err = errors.New("not a URL")
	}
	s := &Site{redirectURL: c.RedirectURL, prefix: c.Prefix}
	if err == nil {
		s.audience = u.Scheme + "://" + strings.ToLower(u.Host) + u.Path
		s.Secure = u.Scheme == "https"
		s.Origin, err = normalOrigin(u)
	}
	if err == nil {
		err = s.crossOrigin.AddTrustedOrigin(s.Origin)
	}
	if err != nil {
		return nil, fmt.Errorf("oxdauth: Site.Params.AuthorizationRedirectURI %q: %w", c.RedirectURL, err)
	}
	if err := checkPrefix(c.Prefix, u.Path); err != nil {
		return nil, err
	}
	s.CallbackPath = strings.TrimPrefix(u.Path, c.Prefix)
	return s, s.setEndpoints(c.Endpoints)
}

func checkRedirectURL(u *url.URL, c SiteConfig) error {
	switch {
	case u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.Opaque != "":
		return errors.New("want an absolute https URL")
	case u.User != nil, u.RawQuery != "", u.ForceQuery, strings.Contains(c.RedirectURL, "#"):
		return errors.New("want no user, query or fragment: oxd does not encode the redirect URI")
	case !isCleanPath(u.Path) || u.EscapedPath() != u.Path:
		return errors.New("want a clean path of its own, such as /auth/callback")
	case u.Scheme == "https" && c.Insecure:
		return errors.New("WithInsecureCookies is for plain http on a loopback host")
	case u.Scheme == "http" && !c.Insecure:
		return errors.New("plain http needs WithInsecureCookies")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return errors.New("plain http is accepted for loopback hosts only")
	}
	return nil
}

// normalOrigin writes the origin as a browser does in the header Origin: the host in lower case, an
// IPv6 address in its shortest form, a port without zeros in front, and no port that is the default
// (URL Standard, host and URL serializer).
func normalOrigin(u *url.URL) (string, error) {
	host := strings.ToLower(u.Hostname())
	outside := func(c rune) bool { return c >= 0x80 }
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	ip, err := netip.ParseAddr(host)
	switch {
	case strings.HasPrefix(u.Host, "[") && (err != nil || ip.Zone() != ""):
		return "", errors.New("the host in brackets is not an IPv6 address")
	case ip.Is4In6(): // netip writes the last half as an IPv4 address, browsers do not
		b := ip.As16()
		host = fmt.Sprintf("[::ffff:%x:%x]", binary.BigEndian.Uint16(b[12:]), binary.BigEndian.Uint16(b[14:]))
	case strings.HasPrefix(u.Host, "["):
		host = "[" + ip.String() + "]"
	case strings.ContainsFunc(host, outside):
		return "", errors.New("want the host in ASCII, as browsers send it: xn--…")
	case err != nil && isNumber(labels[len(labels)-1]):
		return "", errors.New("the host is an IPv4 address in a form that browsers write anew; want four decimal numbers")
	}
	if u.Port() != "" {
		port, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil {
			return "", errors.New("want a port of at most 65535")
		}
		if port != map[string]uint64{"https": 443, "http": 80}[u.Scheme] {
			host += ":" + strconv.FormatUint(port, 10)
		}
	}
	return u.Scheme + "://" + host, nil
}

// isNumber reports whether browsers take a label for a part of an IPv4 address.
func isNumber(label string) bool {
	digits := strings.TrimPrefix(label, "0x")
	return label != "" && strings.Trim(label, "0123456789") == "" || digits != label && strings.Trim(digits, "0123456789abcdef") == ""
}

func isCleanPath(p string) bool { return strings.HasPrefix(p, "/") && p != "/" && path.Clean(p) == p }

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || (ip != nil && ip.IsLoopback())
}

func checkPrefix(prefix, callback string) error {
	switch {
	case prefix == "":
		return nil
	case !isCleanPath(prefix) || (&url.URL{Path: prefix}).EscapedPath() != prefix:
		return fmt.Errorf("oxdauth: WithPathPrefix: %q is not a clean path, such as /admin", prefix)
	case !strings.HasPrefix(callback, prefix+"/"):
		return fmt.Errorf("oxdauth: WithPathPrefix: the redirect URL is the one outside, and its path %q does not begin with %q", callback, prefix+"/")
	}
	return nil
}

// setEndpoints puts those that are not given beside the callback.
func (s *Site) setEndpoints(given Endpoints) error {
	dir := strings.TrimSuffix(path.Dir(s.CallbackPath), "/")
	s.Endpoints = given
	taken := []string{s.CallbackPath}
	for _, e := range []struct {
		path         *string
		field, usual string
	}{
		{&s.Endpoints.Login, "Login", "/login"},
		{&s.Endpoints.Logout, "Logout", "/logout"},
		{&s.Endpoints.FrontChannel, "FrontChannelLogout", "/frontchannel-logout"},
		{&s.Endpoints.BackChannel, "BackChannelLogout", "/backchannel-logout"},
	} {
		if *e.path == "" {
			*e.path = dir + e.usual
		}
		p := *e.path
		switch {
		case !isCleanPath(p) || (&url.URL{Path: p}).EscapedPath() != p:
			return fmt.Errorf("oxdauth: Endpoints.%s: %q is not a clean path of its own, such as /auth%s", e.field, p, e.usual)
		case slices.Contains(taken, p):
			return fmt.Errorf("oxdauth: Endpoints.%s: %q is the path of the callback or of another endpoint; choose another one", e.field, p)
		}
		taken = append(taken, p)
	}
	return nil
}

// Owns reports whether a path is one of the site's own, whether it is served or not.
func (s *Site) Owns(path string) bool {
	e := &s.Endpoints
	return path != "" && slices.Contains([]string{s.CallbackPath, e.Login, e.Logout, e.FrontChannel, e.BackChannel}, path)
}

// RedirectURL returns the absolute URL of the callback as it was given.
func (s *Site) RedirectURL() string { return s.redirectURL }

// Audience returns the name of the site for which keys are derived. It never changes its form, so
// that what has been sealed can be opened.
func (s *Site) Audience() string { return s.audience }

// Outside returns a path as the browser sees it.
func (s *Site) Outside(path string) string { return s.prefix + path }

// URL returns the absolute URL of a path.
func (s *Site) URL(path string) string { return s.Origin + s.prefix + path }

// Target returns the path and query of the page that the browser asked for, as the browser sees it.
// A router that strips a prefix changes r.URL, but not the request line; a proxy changes both.
func (s *Site) Target(r *http.Request) string {
	target := r.URL.RequestURI()
	if strings.HasPrefix(r.RequestURI, "/") {
		target = r.RequestURI
	}
	asked, _, _ := strings.Cut(target, "?")
	if s.prefix != "" && asked == s.prefix+r.URL.EscapedPath() {
		return target // stripped in this process
	}
	return s.prefix + target
}

// ReturnTo is [LocalTarget], but returns the root of the application for what LocalTarget refuses
// and for the site's own paths, where a return would loop.
func (s *Site) ReturnTo(raw string) string {
	target, ok := LocalTarget(raw)
	path, _, _ := strings.Cut(target, "?")
	if !ok || s.Owns(strings.TrimPrefix(path, s.prefix)) {
		return s.Outside("/")
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
