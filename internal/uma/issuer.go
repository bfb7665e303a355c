package uma

// The authorization server's own name, as_uri.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"example.com/oxdauth/internal/web"
)

const maxDiscovery = 1 << 20 // bytes of a discovery document

// CheckASURI returns an error if issuer is not an absolute http(s) URL that can stand in a
// challenge: printable ASCII without spaces, quotes and backslashes.
func CheckASURI(issuer string) error {
	outside := func(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }
	if _, err := web.AbsoluteURL(issuer); err != nil || strings.ContainsFunc(issuer, outside) {
		return fmt.Errorf("oxdauth: authorization server %q is not an absolute http(s) URL", issuer)
	}
	return nil
}

// VerifyIssuer fetches the discovery document of the authorization server at asURI (UMA 2.0 Grant
// section 2) with client, [http.DefaultClient] when nil, and returns an error if its issuer is not
// asURI, to the letter.
func VerifyIssuer(ctx context.Context, client *http.Client, asURI string) error {
	issuer, err := discoverIssuer(ctx, client, asURI)
	switch {
	case err != nil:
		return fmt.Errorf("oxdauth: VerifyIssuer: %w", err)
	case issuer != asURI:
		return fmt.Errorf("oxdauth: VerifyIssuer: the authorization server at %q calls itself %q; use WithAuthorizationServer", asURI, issuer)
	}
	return nil
}

func discoverIssuer(ctx context.Context, client *http.Client, asURI string) (string, error) {
	if client == nil {
		client = http.DefaultClient
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(asURI, "/")+"/.well-known/uma2-configuration", nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("no discovery document: HTTP %d", res.StatusCode)
	}
	var document struct {
		Issuer string `json:"issuer"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, maxDiscovery)).Decode(&document)
	return document.Issuer, err
}
