// Command proxy puts a login in front of a web UI that has none of its own, WebSockets included:
//
//	go run ./examples/proxy
//
// Without flags it needs nothing else: oxd and the provider are embedded, and a stand-in for the UI
// shows the request that it gets. With -to it protects a real UI, with -oxd it uses a real oxd.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"time"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

func main() {
	listen := flag.String("listen", "localhost:8080", "loopback `host:port` to listen on")
	to := flag.String("to", "", "`URL` of the UI (default: a stand-in)")
	addr := flag.String("oxd", "", "`host:port` of oxd (default: an embedded one)")
	opHost := flag.String("op-host", "", "`URL` of the OpenID Provider, for -oxd")
	flag.Parse()

	if *to == "" {
		*to = httptest.NewServer(http.HandlerFunc(show)).URL
	}
	target, err := url.Parse(*to)
	check(err)
	listener, err := net.Listen("tcp", *listen)
	check(err)
	host, _, err := net.SplitHostPort(*listen)
	check(err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	check(err)
	origin := "http://" + net.JoinHostPort(host, port)

	site, transport := oxd.Site{File: "oxd-site.json", Params: oxd.RegisterSiteParams{
		OPHost: *opHost, AuthorizationRedirectURI: origin + "/auth/callback",
	}}, &oxd.TCPTransport{Addr: *addr}
	if *addr == "" {
		server := oxdtest.NewUnstartedServer(oxdtest.Config{InsecureProvider: true})
		server.Start()
		site, transport = server.Site(origin+"/auth/callback"), server.Transport()
		fmt.Println("Sign in as alice / alice-secret, an administrator, or as bob / bob-secret.")
	}
	client, err := oxd.NewClient(transport, site)
	check(err)
	handler, err := protect(client, target, oxdauth.WithInsecureCookies())
	check(err)
	fmt.Printf("%s protects %s\n", origin, target)
	log.Fatal((&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(listener))
}

func check(err error) {
	if err != nil {
		log.Fatal("proxy: ", err)
	}
}

// protect returns the UI at target behind a login.
func protect(client *oxd.Client, target *url.URL, opts ...oxdauth.Option) (http.Handler, error) {
	auth, err := oxdauth.New(client, append(opts, oxdauth.WithClaims("name", "email", "groups"))...)
	if err != nil {
		return nil, err
	}
	rules, rulesErr := oxdauth.NewRules(auth, map[string]func(http.Handler) http.Handler{
		"/":            auth.Handler,
		"/admin/":      auth.RequireClaim("groups", "admins"),
		"GET /assets/": oxdauth.Public("style sheets and pictures of the UI"),
	})
	headers, headersErr := oxdauth.NewIdentityHeaders(auth, oxdauth.IdentityHeadersConfig{Claims: map[string]string{
		"X-Forwarded-User": "sub", "X-Forwarded-Name": "name", "X-Forwarded-Email": "email", "X-Forwarded-Groups": "groups",
	}})
	if err := errors.Join(rulesErr, headersErr); err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
		r.Out.Host = r.In.Host // the UI compares it with Origin and makes links with it
	}}
	return http.NewCrossOriginProtection().Handler(rules.Handler(headers.Handler(proxy))), nil
}

// show is the stand-in for the UI.
func show(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%s %s\n\n", r.Method, r.URL)
	_ = r.Header.Write(w) // the client may have gone away
}
