package oxd_test

import (
	"context"
	"net/http"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDetectTellsOxd4FromTheExtension(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		status int
		body   string
		want   any
	}{
		{"extension", 200, "running", &oxd.HTTPSTransport{}},
		{"4.0", 200, `{"status":"running"}`, &oxd.RESTTransport{}},
		{"4.2", 200, "{\n   \"application\": \"oxd\",\n   \"version\": \"4.2.3\",\n   \"status\": \"running\"\n}", &oxd.RESTTransport{}},
		{"somebody else", 200, `{"status":"UP"}`, nil},
		{"a page", 200, "<html>running</html>", nil},
		{"address refused", 403, `{"error":"oxd_access_denied"}`, nil},
		{"wrong status", 500, "running", nil},
		{"redirect", 302, "running", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got seen
			s, _ := newHTTPS(t, func(w http.ResponseWriter, r *http.Request) {
				got = newSeen(r)
				respond(tc.status, tc.body)(w, r)
			})
			tr, err := oxd.Detect(t.Context(), s.URL+"/oxd", s.Client())
			assert.Equal(t, seen{method: "GET", path: "/oxd/health-check"}, got)
			if tc.want == nil {
				require.ErrorIs(t, err, oxd.ErrUnavailable)
				assert.Nil(t, tr)
				return
			}
			require.NoError(t, err)
			require.IsType(t, tc.want, tr)
			_, _ = tr.RoundTrip(t.Context(), userInfo())
			assert.Equal(t, "/oxd/get-user-info", got.path, "ready for use")
		})
	}
	_, err := oxd.Detect(context.Background(), "http://oxd.example.org", nil)
	require.ErrorContains(t, err, "absolute https URL")
}
