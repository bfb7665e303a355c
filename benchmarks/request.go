package main

// Whole requests over loopback: net/http with a keeper around the handler, beside the handler alone
// sent the same headers.

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"
)

const page = "<!doctype html><title>Reports</title><p>Nothing new today."

// measureRequest compares requests per second. Every keeper has a bare partner, because longer
// headers take longer to read.
func measureRequest(r *report, p plan) error {
	a, err := theApp()
	if err != nil {
		return err
	}
	keepers, err := newKeepers(a, payloads[1])
	if err != nil {
		return err
	}
	var subjects []subject
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	for _, k := range keepers {
		for _, h := range []http.Handler{k.wrap(handler), handler} {
			s, end, err := serving(k, h)
			if err != nil {
				return err
			}
			defer end()
			subjects = append(subjects, s)
		}
	}
	results, err := p.compare(subjects)
	if err != nil {
		return err
	}
	for i := 0; i < len(subjects); i += 2 {
		m := measurement{Group: "a whole request over loopback, payload M", Name: subjects[i].name}
		m.fill(subjects[i], results[i], nil, "")
		m.Ratio, m.RatioOf = results[i+1].per(results[i]).median(), "of the bare handler's requests per second"
		r.add(m)
		if i == 0 {
			r.atLeast("request M: oxdauth / bare handler, requests per second", 0.85, m.Ratio)
		}
	}
	return nil
}

// serving starts a server for h and connections to it that stay open.
func serving(k *keeper, h http.Handler) (s subject, end func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return subject{}, nil, err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		_ = server.Serve(l) // ErrServerClosed
		close(done)
	}()
	var conns []net.Conn
	end = func() {
		for _, c := range conns {
			_ = c.Close()
		}
		_ = server.Close()
		<-done
	}
	text := requestText(k.header)
	var workers []func() error
	for range 4 * runtime.GOMAXPROCS(0) {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			end()
			return subject{}, nil, err
		}
		conns = append(conns, c)
		in := bufio.NewReader(c)
		workers = append(workers, func() error { return visit(c, in, text) })
	}
	return together(k.name, workers), end, nil
}

func requestText(cookies string) []byte {
	var b bytes.Buffer
	b.WriteString("GET /reports/42 HTTP/1.1\r\nHost: localhost\r\n")
	for _, h := range browserHeaders {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
	}
	fmt.Fprintf(&b, "Cookie: %s\r\n\r\n", cookies)
	return b.Bytes()
}

var errStatus = errors.New("the answer is not the page")

// visit sends one request and reads its answer with as little work as there can be: a client of
// net/http would take more time than the server, and hide the difference.
func visit(c net.Conn, in *bufio.Reader, request []byte) error {
	if _, err := c.Write(request); err != nil {
		return err
	}
	status, err := in.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok := strings.HasPrefix(string(status), "HTTP/1.1 200 ")
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
	}
	if !ok {
		return errStatus
	}
	_, err = in.Discard(len(page))
	return err
}
