package oxdtest

// The HTTPS extension: REST paths in front of the commands, with its statuses and texts.

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"unicode/utf16"
)

// extensionPaths maps a path to its command and tells whether it wants an Authorization header.
var extensionPaths = map[string]struct {
	command    string
	authorized bool
}{
	"/setup-client": {"setup_client", false}, "/get-client-token": {"get_client_token", false},
	"/register-site": {"register_site", true}, "/update-site": {"update_site_registration", true},
	"/get-authorization-url": {"get_authorization_url", true}, "/get-tokens-by-code": {"get_tokens_by_code", true},
	"/get-user-info": {"get_user_info", true}, "/get-logout-uri": {"get_logout_uri", true},
	"/get-access-token-by-refresh-token": {"get_access_token_by_refresh_token", false},
	"/uma-rs-protect":                    {"uma_rs_protect", true}, "/uma-rs-check-access": {"uma_rs_check_access", true},
	"/uma-rp-get-rpt": {"uma_rp_get_rpt", true}, "/uma-rp-get-claims-gathering-url": {"uma_rp_get_claims_gathering_url", true},
}

// extension is the handler of the HTTPS extension until ctx ends. It takes paths as they are, where a ServeMux would redirect
// some.
func (s *Server) extension(ctx context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, known := extensionPaths[r.URL.Path]
		switch {
		case misrouted(w, r, known):
		case !acceptsJSON(r.Header.Values("Accept")):
			extensionError(w, http.StatusNotAcceptable, "HTTP 406 Not Acceptable")
		case !known: // the health check
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, "running") // which is no JSON
		default:
			s.serveExtension(ctx, w, r, to.command, to.authorized)
		}
	})
}

// misrouted answers requests that are for neither a command, whose path is known, nor the health check. The extension and oxd
// 4 do it alike.
func misrouted(w http.ResponseWriter, r *http.Request, known bool) bool {
	health := r.URL.Path == "/health-check"
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case !known && !health:
		extensionError(w, http.StatusNotFound, "HTTP 404 Not Found")
	case health && r.Method != http.MethodGet && r.Method != http.MethodHead, known && r.Method != http.MethodPost:
		extensionError(w, http.StatusMethodNotAllowed, "HTTP 405 Method Not Allowed")
	case known && mediaType != "application/json":
		extensionError(w, http.StatusUnsupportedMediaType, "HTTP 415 Unsupported Media Type")
	default:
		return false
	}
	return true
}

// acceptsJSON reads Accept (RFC 9110 section 12.5.1), without its preferences; none accepts everything.
func acceptsJSON(header []string) bool {
	for accepted := range strings.SplitSeq(strings.Join(header, ","), ",") {
		mediaType, _, _ := mime.ParseMediaType(accepted)
		if slices.Contains([]string{"*/*", "application/*", "application/json"}, mediaType) {
			return true
		}
	}
	return len(header) == 0
}

func (s *Server) serveExtension(ctx context.Context, w http.ResponseWriter, r *http.Request, command string, authorized bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	var fields map[string]json.RawMessage
	// The body is read before the header is looked at. What follows the object is ignored.
	if err != nil || json.NewDecoder(strings.NewReader(markSurrogates(string(body)))).Decode(&fields) != nil || fields == nil {
		extensionFailure(w)
		return
	}
	if authorized {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || strings.TrimSpace(token) == "" {
			extensionFailure(w) // meant to be a 403 that never leaves the real one
			return
		}
		fields["protection_access_token"], _ = json.Marshal(token) // text
	}
	text := marshal(fields)
	if len(utf16.Encode([]rune(text)))+len(`{"command":"","params":}`)+len(command) > maxUnits {
		extensionFailure(w)
		return
	}
	a := s.dispatch(ctx, overHTTPS, command, text)
	out, fits := a.frame()
	switch {
	case a.malformed:
		extensionFailure(w)
		return
	case a.cut || !fits:
		out = []byte("0000" + noResponse)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(out[4:]) // the client may have gone away
}

// extensionFailure is what every failure inside the extension becomes.
func extensionFailure(w http.ResponseWriter) {
	extensionError(w, http.StatusInternalServerError, fmt.Sprintf("There was an error processing your request. It has been logged (ID %x).", []byte(rand.Text()[:8])))
}

func extensionError(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{status, message}))
}
