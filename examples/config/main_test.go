package main

import (
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/examples/internal/config"
	"example.com/oxdauth/oxdtest"
)

type object = map[string]any

// authority returns the certificate that the embedded oxd's are signed with, as a file would have
// it.
func authority(t *testing.T, s *oxdtest.Server) []byte {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.URL, "https://"), &tls.Config{RootCAs: s.CertPool()})
	require.NoError(t, err)
	defer conn.Close()
	chain := conn.ConnectionState().VerifiedChains[0]
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[len(chain)-1].Raw})
}

func none(string) (string, bool) { return "", false }

func TestAServiceSetUpByAFileSignsPeopleIn(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(s *oxdtest.Server, dir string) object{
		"local": func(s *oxdtest.Server, _ string) object {
			return object{"connection_type": "local", "connection_type_value": s.Addr}
		},
		"web": func(s *oxdtest.Server, dir string) object {
			ca := filepath.Join(dir, "ca.pem")
			require.NoError(t, os.WriteFile(ca, authority(t, s), 0o600))
			return object{"connection_type": "web", "connection_type_value": s.URL, "ca_file": ca, "site_file": filepath.Join(dir, "site.json")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := oxdtest.NewServer()
			t.Cleanup(s.Close)
			dir := t.TempDir()
			base := s.ServeApp(func(base string) http.Handler {
				text, err := json.Marshal(object{
					"oxd": connect(s, dir),
					"client": object{
						"authorization_redirect_uri": base + "/auth/callback", "op_host": s.Provider.URL,
						"client_secret_expires_at": time.Now().Add(48 * time.Hour).Format(time.RFC3339),
					},
					"session": object{"keys": []string{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}, "idle": "10m", "absolute": "1h"},
				})
				require.NoError(t, err)
				file := filepath.Join(dir, "oxdauth.json")
				require.NoError(t, os.WriteFile(file, text, 0o600))
				cfg, err := config.Load(file, none)
				require.NoError(t, err)
				handler, stop, err := newHandler(t.Context(), cfg)
				require.NoError(t, err)
				t.Cleanup(stop)
				return handler
			})
			res, err := s.Browser().LogIn(base+"/", "alice", "alice-secret")
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			assert.Contains(t, string(body), "Hello ")
			assert.Equal(t, base+"/", res.Request.URL.String())
			assert.Equal(t, 1, s.CallCount("update_site_registration"), "the expiry of the client was moved")
		})
	}
}
