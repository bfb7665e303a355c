package main

// A keeper is a way to keep a session between requests. Each one is a middleware here, as in an
// application: it finds the session of a request and hands it to the next handler in the request's
// context.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

const maxCookie = 4096 // name and value: browsers refuse more (RFC 6265bis section 5.6)

type keeper struct {
	name    string
	wrap    func(http.Handler) http.Handler
	subject func(context.Context) string
	write   func(http.ResponseWriter, *session) error
	header  string // the Cookie header of a request with the session; empty: the library refuses a session of this size
	note    string // why not
}

var (
	errNoSession  = errors.New("the session was not found")
	errWrongBytes = errors.New("not what was expected")
)

// newRequest is a page load by a browser, with these cookies.
func newRequest(cookies string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "https://localhost/reports/42", nil)
	if err != nil {
		panic(err) // it is a constant
	}
	for _, h := range browserHeaders {
		r.Header.Set(h[0], h[1])
	}
	r.Header.Set("Cookie", cookies)
	return r
}

var browserHeaders = [][2]string{
	{"Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
	{"Accept-Encoding", "gzip, deflate, br, zstd"},
	{"Accept-Language", "en-GB,en;q=0.9"},
	{"Sec-Fetch-Dest", "document"},
	{"Sec-Fetch-Mode", "navigate"},
	{"Sec-Fetch-Site", "same-origin"},
	{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
}

// discard is a ResponseWriter without a connection.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

func (d *discard) reset() {
	clear(d.header)
	d.status = 0
}

// reader is the session of one request read over and over, nothing when there is none.
func (k *keeper) reader() subject {
	if k.header == "" {
		return subject{name: k.name}
	}
	return each(k.name, k.reading())
}

// reading is for one goroutine.
func (k *keeper) reading() func() error {
	seen := ""
	handler := k.wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = k.subject(r.Context()) }))
	w, r := &discard{header: http.Header{}}, newRequest(k.header)
	return func() error {
		w.reset()
		seen = ""
		handler.ServeHTTP(w, r)
		if seen == "" {
			return errNoSession
		}
		return nil
	}
}

// writer is a session written over and over, nothing when the library refuses it.
func (k *keeper) writer(s *session) subject {
	if k.header == "" {
		return subject{name: k.name}
	}
	w := &discard{header: http.Header{}}
	return each(k.name, func() error {
		w.reset()
		return k.write(w, s)
	})
}

// remember writes the session once and keeps what a browser would send back, if it did not mind the
// size.
func (k *keeper) remember(s *session) error {
	w := &discard{header: http.Header{}}
	if err := k.write(w, s); err != nil {
		if !strings.Contains(err.Error(), "too long") {
			return err
		}
		k.note = err.Error()
		return nil
	}
	k.header, _, _ = strings.Cut(w.header["Set-Cookie"][0], ";")
	if len(k.header) > maxCookie {
		k.note = fmt.Sprintf("browsers refuse this cookie: %d bytes", len(k.header))
	}
	return nil
}

type sessionKey struct{}

// cookieKeeper is a keeper of a whole session in one cookie.
func cookieKeeper(name string, seal func(*session) (string, error), open func(string) (*session, error)) *keeper {
	return &keeper{
		name: name,
		wrap: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := r.Cookie("session")
				if err != nil {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				s, err := open(c.Value)
				if err != nil {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), sessionKey{}, s)))
			})
		},
		subject: subjectOf,
		write: func(w http.ResponseWriter, s *session) error {
			value, err := seal(s)
			if err != nil {
				return err
			}
			setCookie(w, value)
			return nil
		},
	}
}

func subjectOf(ctx context.Context) string {
	s, _ := ctx.Value(sessionKey{}).(*session)
	if s == nil {
		return ""
	}
	return s.Subject
}

func setCookie(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: "session", Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
