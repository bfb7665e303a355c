// The HTTPS extension: paths in front of the commands, with its statuses and texts.

package daemon

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"example.com/oxdauth/internal/oxdwire"
)

// maxBody bounds a request, in bytes.
const maxBody = 1 << 20

const noResponse = "Command response is null, please check oxd-server.log file of oxd-server application."

// extension is the handler of the HTTPS extension until ctx ends. It compares paths as they are,
// where a ServeMux would redirect some.
func (d *Daemon) extension(ctx context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, known := oxdwire.ExtensionRoute(oxdwire.Path(r))
		known = known && !route.Later
		switch {
		case oxdwire.Misrouted(w, r, known), oxdwire.Unacceptable(w, r):
		case !known: // the health check
			oxdwire.WriteJSON(w, http.StatusOK, "running") // which is no JSON
		default:
			d.serveExtension(ctx, w, r, route)
		}
	})
}

func (d *Daemon) serveExtension(ctx context.Context, w http.ResponseWriter, r *http.Request, route oxdwire.Route) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	// The body is read before the header is looked at.
	fields, ok := oxdwire.DecodeObject(string(body))
	if err != nil || !ok {
		extensionFailure(w)
		return
	}
	if route.Token {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || strings.TrimSpace(token) == "" {
			extensionFailure(w) // meant to be a 403 that never leaves the real one
			return
		}
		fields[oxdwire.ParamToken], _ = json.Marshal(token) // text
	}
	text := oxdwire.Marshal(fields)
	if oxdwire.Units([]byte(text))+len(`{"command":"","params":}`)+len(route.Command) > oxdwire.MaxUnits {
		extensionFailure(w)
		return
	}
	a := d.dispatch(ctx, overHTTPS, route.Command, oxdwire.NewParams(text))
	out, fits := a.frame()
	switch {
	case a.malformed:
		extensionFailure(w)
		return
	case a.cut || !fits:
		out = []byte("0000" + noResponse)
	}
	oxdwire.WriteJSON(w, http.StatusOK, string(out[oxdwire.PrefixLen:]))
}

// extensionFailure is what every failure inside the extension becomes.
func extensionFailure(w http.ResponseWriter) {
	oxdwire.WriteStatus(w, http.StatusInternalServerError,
		fmt.Sprintf("There was an error processing your request. It has been logged (ID %x).", []byte(rand.Text()[:8])))
}
