package main

// The connection to oxd, embedded or real, and the two files a real installation keeps: the CA and
// the session keys.

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// maxFile bounds the files named on the command line, in bytes.
const maxFile = 1 << 20

// secondFactor is the one-time password of everybody at the embedded provider.
const secondFactor = "000000"

// clientName is what the provider's login page says one signs in to.
const clientName = "Nordlys Shipping"

// oxdServer is the oxd the application uses.
type oxdServer struct {
	client *oxd.Client
	where  string         // for people
	users  []oxdtest.User // who can sign in, as far as we know: those of the embedded provider
	test   *oxdtest.Server
}

func (s *oxdServer) embedded() bool { return s.test != nil }

func (s *oxdServer) close() error {
	err := s.client.Close()
	if s.test != nil {
		s.test.Close()
	}
	return err
}

// connect starts the embedded oxd or prepares the client of a real one, which it does not contact
// yet: oxd may start later than this program.
func connect(cfg config, redirectURL string) (*oxdServer, error) {
	if cfg.oxd == "" {
		users := oxdtest.DefaultUsers()
		server := oxdtest.NewUnstartedServer(oxdtest.Config{InsecureProvider: true, Users: users})
		server.Start()
		setPolicies(server.Provider)
		client, where, err := embedded(server, cfg.dialect, redirectURL)
		if err != nil {
			server.Close()
			return nil, &usageError{err}
		}
		return &oxdServer{
			client: client, users: users, test: server,
			where: "embedded, " + where + ", provider " + server.Provider.URL,
		}, nil
	}
	site := oxd.Site{
		Params: oxd.RegisterSiteParams{
			OPHost:                   cfg.opHost,
			AuthorizationRedirectURI: redirectURL,
			ClientName:               clientName,
		},
		File:      cfg.siteFile,
		Protected: cfg.protected,
	}
	if err := os.MkdirAll(filepath.Dir(cfg.siteFile), 0o700); err != nil {
		return nil, err
	}
	transport, err := transportFor(cfg)
	if err != nil {
		return nil, err
	}
	client, err := oxd.NewClient(transport, site)
	if err != nil {
		return nil, &usageError{err}
	}
	return &oxdServer{client: client, where: cfg.oxd + ", provider " + cfg.opHost}, nil
}

// embedded returns a client of an embedded oxd, and how it reaches it.
func embedded(server *oxdtest.Server, dialect, redirectURL string) (client *oxd.Client, where string, err error) {
	site := siteOf(server, redirectURL)
	site.Protected = dialect != "local"
	switch dialect {
	case "web":
		client, err = oxd.NewClient(server.HTTPSTransport(), site)
		return client, "HTTPS extension " + server.URL, err
	case "rest":
		client, err = oxd.NewClient(server.RESTTransport(), site)
		return client, "oxd 4 at " + server.RESTURL, err
	}
	client, err = oxd.NewClient(server.Transport(), site)
	return client, "socket " + server.Addr, err
}

func siteOf(server *oxdtest.Server, redirectURL string) oxd.Site {
	site := server.Site(redirectURL)
	site.Params.ClientName = clientName
	return site
}

func transportFor(cfg config) (oxd.Transport, error) {
	if cfg.dialect == "local" {
		return &oxd.TCPTransport{Addr: cfg.oxd}, nil
	}
	var client *http.Client // nil: one that trusts whom the system trusts
	if cfg.caFile != "" {
		var err error
		if client, err = trusting(cfg.caFile); err != nil {
			return nil, &usageError{err}
		}
	}
	if cfg.dialect == "rest" {
		return &oxd.RESTTransport{BaseURL: cfg.oxd, Client: client}, nil
	}
	return &oxd.HTTPSTransport{BaseURL: cfg.oxd, Client: client}, nil
}

// trusting returns a client for servers whose certificates this authority has signed.
func trusting(caFile string) (*http.Client, error) {
	pem, err := readFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("-ca %s: there is no PEM certificate in it", caFile)
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: base}, nil
}

// loadKeys reads the session keys, one base64 line each and the newest first. A missing file is
// made, with one new key.
func loadKeys(file string) ([][]byte, error) {
	text, err := readFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		key := make([]byte, 32)
		rand.Read(key) // never fails since Go 1.24: a broken source ends the process
		text = []byte(base64.StdEncoding.EncodeToString(key) + "\n")
		err = writeNewFile(file, text)
	}
	if err != nil {
		return nil, &usageError{fmt.Errorf("-keys-file: %w", err)}
	}
	var keys [][]byte
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(key) < 32 {
			return nil, &usageError{fmt.Errorf("-keys-file %s: line %d is not base64 of 32 bytes or more", file, i+1)}
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, &usageError{fmt.Errorf("-keys-file %s: there is no key in it", file)}
	}
	return keys, nil
}

// writeNewFile never replaces a file: another process may have made it in the meantime.
func writeNewFile(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func readFile(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", file, maxFile)
	}
	return text, err
}

func hasACR(u oxdtest.User, acr string) bool { return slices.Contains(u.ACRs, acr) }
