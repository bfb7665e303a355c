package main

// Reading and writing sessions, and refusing forged ones, without a connection.

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"example.com/oxdauth"
)

// measureRead reads the session of an authenticated request, from its Cookie header to the handler.
func measureRead(r *report, p plan) error {
	a, err := theApp()
	if err != nil {
		return err
	}
	var subjects []subject
	var payloadOf, notes []string // of each subject
	first := map[string]int{}     // by payload: where oxdauth stands
	add := func(payload string, s subject, note string) {
		subjects, payloadOf, notes = append(subjects, s), append(payloadOf, payload), append(notes, note)
	}
	for _, payload := range payloads {
		keepers, err := newKeepers(a, payload)
		if err != nil {
			return err
		}
		first[payload.name] = len(subjects)
		for _, k := range keepers {
			add(payload.name, k.reader(), k.note)
		}
		b, err := newBare(identitySize(a.cookies[payload.name]))
		if err != nil {
			return err
		}
		add(payload.name, each(bareName, b.read), "")
	}
	results, err := p.compare(subjects)
	if err != nil {
		return err
	}
	for i, s := range subjects {
		payload := payloadOf[i]
		m := measurement{Group: "read a session, payload " + payload, Name: s.name, Note: notes[i]}
		if i == first[payload] {
			m.fill(s, results[i], nil, "")
		} else {
			m.fill(s, results[i], results[first[payload]], "oxdauth / this")
		}
		r.add(m)
		switch {
		case payload == "M" && i == first["M"]:
			r.atMost("read M: allocations", 18, m.Allocs)
		case payload == "M" && s.name == "scs memstore":
			r.atMost("read M: oxdauth / scs", 1.0/6, m.Ratio)
		case payload == "M" && s.name == bareName:
			r.atMost("read M: oxdauth / securecookie no-op", 1.6, m.Ratio)
		}
	}
	r.atMost("read: payload L / payload M", 1.3, results[first["L"]].per(results[first["M"]]).median())
	return nil
}

const bareName = "securecookie no-op, identity only, no lookup"

// identitySize returns the number of bytes sealed in the identity cookie, which securecookie has
// put into base64, between date and MAC, and into base64 again.
func identitySize(header string) int {
	parts := strings.SplitN(cookie(header, cookieName), ".", 3)
	outer, err := base64.URLEncoding.DecodeString(parts[len(parts)-1])
	if err != nil {
		return 0
	}
	inner := strings.SplitN(string(outer), "|", 3)[1]
	sealed, err := base64.URLEncoding.DecodeString(inner)
	if err != nil {
		return 0
	}
	return len(sealed) - 16
}

// measureForged sends an identity cookie with the MAC of another one, and computes one MAC over the
// same bytes.
func measureForged(r *report, p plan) error {
	a, err := theApp()
	if err != nil {
		return err
	}
	value := cookie(a.cookies["M"], cookieName)
	forged := value[:len(value)-8] + "AAAAAAAA"
	refusing := func(m *oxdauth.Middleware) func() error {
		req := newRequest(cookieName + "=" + forged)
		return func() error {
			if _, err := m.Authenticate(req); err == nil {
				return errWrongBytes
			}
			return nil
		}
	}
	key, content := random(32), []byte(forged)
	valid := newRequest(a.cookies["M"])
	subjects := []subject{
		each("oxdauth, one key", refusing(a.auth)),
		each("oxdauth, eight keys", refusing(a.crowded)),
		each("oxdauth, the genuine cookie", func() error {
			_, err := a.auth.Authenticate(valid)
			return err
		}),
		each("one HMAC-SHA256 over the same bytes", func() error {
			mac := hmac.New(sha256.New, key)
			mac.Write(content)
			if hmac.Equal(mac.Sum(nil), key) {
				return errWrongBytes
			}
			return nil
		}),
	}
	results, err := p.compare(subjects)
	if err != nil {
		return err
	}
	r.addAll("refuse a forged cookie, payload M", subjects, results, results[0], "the first / this")
	r.atMost("forged: / genuine", 1, results[0].per(results[2]).median())
	r.atMost("forged: eight keys / one key", 1.25, results[1].per(results[0]).median())
	return nil
}

// measureWrite seals both cookies. oxdauth does that in a request, the first one after a change of
// keys, which has to open them before; what opening them costs is measured by a request that asks
// for a token, and taken off.
func measureWrite(r *report, p plan) error {
	a, err := theApp()
	if err != nil {
		return err
	}
	for _, payload := range payloads {
		keepers, err := newKeepers(a, payload)
		if err != nil {
			return err
		}
		subjects := []subject{
			each("oxdauth, request that rewrites both cookies", rewriting(a, payload)),
			each("oxdauth, request that opens both cookies", opening(a, payload)),
		}
		group := "write a session, payload " + payload.name
		notes := []string{"", ""}
		for _, k := range keepers[1:] {
			subjects, notes = append(subjects, k.writer(a.sessions[payload.name])), append(notes, k.note)
		}
		b, err := newBare(identitySize(a.cookies[payload.name]))
		if err != nil {
			return err
		}
		subjects, notes = append(subjects, each(bareName, b.write)), append(notes, "")
		results, err := p.compare(subjects)
		if err != nil {
			return err
		}
		own := results[0].minus(results[1])
		alone := measurement{Group: group, Name: "oxdauth, writing alone", Nanos: own.median(), Allocs: allocs(subjects[0]) - allocs(subjects[1])}
		if alone.Nanos <= 0 {
			alone.Note = "a difference lost in the noise of this run"
		}
		r.add(alone)
		for i, s := range subjects {
			m := measurement{Group: group, Name: s.name, Note: notes[i]}
			m.fill(s, results[i], own, "writing alone / this")
			r.add(m)
			if payload.name == "M" && s.name == "securecookie gob" {
				r.atMost("write M: oxdauth / securecookie gob", 0.6, m.Ratio)
			}
		}
	}
	return nil
}

func rewriting(a *app, p payload) func() error {
	handler := a.rotated.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, req := &discard{header: http.Header{}}, newRequest(a.cookies[p.name])
	return func() error {
		w.reset()
		handler.ServeHTTP(w, req)
		if n := len(w.header["Set-Cookie"]); n < 2 {
			return fmt.Errorf("%d cookies were written", n)
		}
		return nil
	}
}

func opening(a *app, p payload) func() error {
	ok := false
	handler := a.auth.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s, _ := oxdauth.SessionFromContext(r.Context())
		ok = !s.AccessToken().IsZero()
	}))
	w, req := &discard{header: http.Header{}}, newRequest(a.cookies[p.name])
	return func() error {
		w.reset()
		ok = false
		handler.ServeHTTP(w, req)
		if !ok {
			return errNoSession
		}
		return nil
	}
}
