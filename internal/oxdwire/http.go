// What the HTTPS extension and oxd 4 answer before a command is looked at.

package oxdwire

import (
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// WriteJSON answers with a text that is said to be JSON.
func WriteJSON(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may have gone away
}

// WriteStatus answers with a refusal that is none of oxd's own.
func WriteStatus(w http.ResponseWriter, status int, message string) {
	WriteJSON(w, status, Marshal(struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}{status, message}))
}

// Path returns the path of a request without its slash.
func Path(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") }

// Misrouted answers requests that are for neither a command, whose path is known, nor the health
// check. It reports whether it has answered.
func Misrouted(w http.ResponseWriter, r *http.Request, known bool) bool {
	health := Path(r) == healthPath
	mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case !known && !health:
		WriteStatus(w, http.StatusNotFound, "HTTP 404 Not Found")
	case health && r.Method != http.MethodGet && r.Method != http.MethodHead, known && r.Method != http.MethodPost:
		WriteStatus(w, http.StatusMethodNotAllowed, "HTTP 405 Method Not Allowed")
	case known && mediaType != "application/json":
		WriteStatus(w, http.StatusUnsupportedMediaType, "HTTP 415 Unsupported Media Type")
	default:
		return false
	}
	return true
}

// Unacceptable answers requests to the extension that do not accept JSON (RFC 9110 section 12.5.1).
// Preferences are ignored; a request without Accept accepts everything. It reports whether it has
// answered.
func Unacceptable(w http.ResponseWriter, r *http.Request) bool {
	header := r.Header.Values("Accept")
	for accepted := range strings.SplitSeq(strings.Join(header, ","), ",") {
		mediaType, _, _ := mime.ParseMediaType(accepted)
		if slices.Contains([]string{"*/*", "application/*", "application/json"}, mediaType) {
			return false
		}
	}
	if len(header) == 0 {
		return false
	}
	WriteStatus(w, http.StatusNotAcceptable, "HTTP 406 Not Acceptable")
	return true
}
