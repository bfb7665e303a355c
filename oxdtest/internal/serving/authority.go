// A certificate authority in memory, with one certificate for the loopback names of the machine.

package serving

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"time"
)

// Authority is a certificate authority and its one certificate. It is immutable.
type Authority struct {
	// Pool has the certificate of the authority.
	Pool *x509.CertPool
	leaf tls.Certificate
}

// NewAuthority returns a new authority. It panics when the machine has no randomness.
func NewAuthority() *Authority {
	caKey, leafKey := newKey(), newKey()
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "oxdtest authority"}, NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	caDER := certify(ca, ca, caKey, caKey)
	parsed, err := x509.ParseCertificate(caDER)
	if err != nil {
		panic("oxdtest: " + err.Error())
	}
	a := &Authority{Pool: x509.NewCertPool()}
	a.Pool.AddCert(parsed)
	a.leaf = tls.Certificate{Certificate: [][]byte{certify(leaf, parsed, leafKey, caKey), caDER}, PrivateKey: leafKey}
	return a
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic("oxdtest: " + err.Error())
	}
	return key
}

func certify(cert, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		panic("oxdtest: " + err.Error())
	}
	return der
}

// ServerConfig returns the configuration of a TLS listener with the certificate, for HTTP/1.1.
func (a *Authority) ServerConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.leaf}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
}
