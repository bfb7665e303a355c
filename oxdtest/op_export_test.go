package oxdtest

import (
	"crypto/x509"
	"net/http"
	"net/url"
	"time"
)

// What the external tests of the Provider and the Browser need of the inside.

func ExportProvider(issuer string, users []User) (*Provider, http.Handler) {
	p := newProvider(providerConfig{issuer: issuer, users: users})
	return p, p.handler()
}

func ExportBrowser(pool *x509.CertPool) *Browser { return newBrowser(pool) }

// ExportForm is the first form of a page as plain values.
type ExportForm struct {
	Action, Method string
	Values         url.Values
}

func ExportFirstForm(page string, filled url.Values) *ExportForm {
	f := browserFirstForm(page)
	if f == nil {
		return nil
	}
	return &ExportForm{f.action, f.method, f.submission(filled)}
}

// ExportStore is a store of the Provider.
type ExportStore struct{ store opStore[string] }

func (s *ExportStore) Put(key string, lifetime time.Duration) { s.store.put(key, key, lifetime) }
func (s *ExportStore) Get(key string) (string, bool)          { return s.store.get(key) }
func (s *ExportStore) Take(key string) (string, bool)         { return s.store.take(key) }
func (s *ExportStore) Len() int                               { return len(s.store.entries) }

const ExportMaxEntries = opMaxEntries
