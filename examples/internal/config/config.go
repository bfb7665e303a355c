// Package config reads the configuration of the example programs: a JSON file whose keys are those
// of the oxd libraries, and environment variables that override it. docs/configuration.md describes
// every key.
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxFile bounds every file that is read, in bytes.
const maxFile = 1 << 20

// Config is the content of the file. Every key can be set by an environment variable as well,
// OXDAUTH_ and the path of the key in upper case (OXDAUTH_CLIENT_OP_HOST for client.op_host), lists
// separated by commas; with _FILE behind it the value is read from a file, which is how secrets
// should be given. The environment wins.
type Config struct {
	// Listen is the address to serve at; default localhost:8080.
	Listen  string  `json:"listen"`
	Oxd     Oxd     `json:"oxd"`
	Client  Client  `json:"client"`
	Session Session `json:"session"`
}

// Oxd says where oxd is and which site of it this is.
type Oxd struct {
	// ConnectionType is local for the socket of oxd 3.1, web for its HTTPS extension, rest for oxd
	// 4.
	ConnectionType string `json:"connection_type"`
	// ConnectionTypeValue is the port or host:port of the socket, else the base URL.
	ConnectionTypeValue string `json:"connection_type_value"`
	// ID is the oxd_id of a site registered before. Default: the site is registered and kept in
	// SiteFile.
	ID       string `json:"id"`
	SiteFile string `json:"site_file"`
	// ProtectCommandsWithAccessToken states that the socket of oxd wants tokens; the other two
	// always do.
	ProtectCommandsWithAccessToken bool `json:"protect_commands_with_access_token"`
	// CAFile has the PEM certificates that the certificate of web or rest is verified with; default
	// those of the system.
	CAFile string `json:"ca_file"`
}

// Client is what the site is registered with. The names are those of the commands of oxd.
type Client struct {
	AuthorizationRedirectURI      string   `json:"authorization_redirect_uri"`
	OPHost                        string   `json:"op_host"`
	OPDiscoveryPath               string   `json:"op_discovery_path"`
	PostLogoutRedirectURI         string   `json:"post_logout_redirect_uri"`
	ClientName                    string   `json:"client_name"`
	DynamicRegistration           *bool    `json:"dynamic_registration"` // false wants client_id and client_secret
	ClientID                      string   `json:"client_id"`
	ClientSecret                  string   `json:"client_secret"`
	ClientSecretExpiresAt         string   `json:"client_secret_expires_at"` // RFC 3339; moves the expiry of the client at every start
	ClientJWKSURI                 string   `json:"client_jwks_uri"`
	ClientTokenEndpointAuthMethod string   `json:"client_token_endpoint_auth_method"`
	ApplicationType               string   `json:"application_type"`
	Scope                         []string `json:"scope"`
	GrantTypes                    []string `json:"grant_types"`
	ResponseTypes                 []string `json:"response_types"`
	ACRValues                     []string `json:"acr_values"`
	Contacts                      []string `json:"contacts"`
	ClientFrontchannelLogoutURIs  []string `json:"client_frontchannel_logout_uris"`
	ClientRequestURIs             []string `json:"client_request_uris"`
	ClientSectorIdentifierURI     string   `json:"client_sector_identifier_uri"`
	UILocales                     []string `json:"ui_locales"`
	ClaimsLocales                 []string `json:"claims_locales"`
	ClaimsRedirectURI             []string `json:"claims_redirect_uri"`
}

// Session is about the cookies.
type Session struct {
	// Keys are the secrets that seal them, the newest first, each of 32 random bytes in base64 or
	// hexadecimal. Default: a random one of this process.
	Keys []string `json:"keys"`
	// Idle and Absolute are the limits, as Go durations such as 30m.
	Idle     string `json:"idle"`
	Absolute string `json:"absolute"`
}

// Load reads file, which may be empty for none, then the environment through lookup
// ([os.LookupEnv]), and checks the result. It reports all problems at once; each names its key.
func Load(file string, lookup func(string) (string, bool)) (*Config, error) {
	c := &Config{Listen: "localhost:8080"}
	if file != "" {
		text, err := readFile(file)
		if err != nil {
			return nil, err
		}
		if err := decode(text, c); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if err := errors.Join(override(c, lookup), c.check()); err != nil {
		return nil, err
	}
	return c, nil
}

func decode(text []byte, c *Config) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	err := dec.Decode(c)
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return fmt.Errorf("%s: want %s, not %s", wrong.Field, kindOf(wrong.Type), wrong.Value)
	case err != nil:
		return err // of encoding/json; it quotes an unknown key
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the object")
	}
	return nil
}

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return text, err
}

func (s Session) limits() (idle, absolute time.Duration, err error) {
	var errs []error
	for _, limit := range []struct {
		key, text string
		to        *time.Duration
	}{{"session.idle", s.Idle, &idle}, {"session.absolute", s.Absolute, &absolute}} {
		if limit.text == "" {
			continue
		}
		if *limit.to, err = time.ParseDuration(limit.text); err != nil || *limit.to <= 0 {
			errs = append(errs, fmt.Errorf("%s: %q is not a duration such as 30m", limit.key, limit.text))
		}
	}
	if len(errs) == 0 && (s.Idle == "") != (s.Absolute == "") {
		errs = append(errs, errors.New("session.idle and session.absolute: set both or none"))
	}
	return idle, absolute, errors.Join(errs...)
}
