package oxdauth

// Whether as_uri is what the authorization server calls itself.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const maxDiscovery = 1 << 20

// VerifyIssuer fetches the discovery document of the authorization server (UMA 2.0 Grant section 2) with client,
// [http.DefaultClient] when nil, and returns an error when its issuer is not the as_uri that challenges carry, to the
// letter: a client that compares the two would refuse to go there. oxd does not tell the issuer and may reach the
// authorization server where this program cannot, so nothing depends on this check; it is for a deployment's start or its
// tests. Call it after [Guard.Protect].
func (g *Guard) VerifyIssuer(ctx context.Context, client *http.Client) error {
	site := g.site.Load()
	if site == nil {
		return errors.New("oxdauth: VerifyIssuer: Protect has not succeeded")
	}
	issuer, err := discoverIssuer(ctx, client, site.asURI)
	switch {
	case err != nil:
		return fmt.Errorf("oxdauth: VerifyIssuer: %w", err)
	case issuer != site.asURI:
		return fmt.Errorf("oxdauth: VerifyIssuer: the authorization server at %q calls itself %q; use WithAuthorizationServer", site.asURI, issuer)
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
