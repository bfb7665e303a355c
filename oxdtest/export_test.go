package oxdtest

import (
	"crypto/x509"
	"net/http"

	"example.com/oxdauth/oxdtest/internal/browser"
)

// ExportProvider returns a Provider without a listener, and its handler.
func ExportProvider(issuer string, users []User) (*Provider, http.Handler) {
	p := newProvider(issuer, users, nil)
	return p, p.op
}

// ExportBrowser returns a Browser that trusts the pool.
func ExportBrowser(pool *x509.CertPool) *Browser { return &Browser{browser.New(pool).Client} }
