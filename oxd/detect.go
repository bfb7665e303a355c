package oxd

// Finding out which oxd listens.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Detect asks what listens at baseURL (GET /health-check), and returns a
// *RESTTransport for oxd 4 and a *HTTPSTransport for the extension of oxd 3.1,
// both with baseURL and client; see there. It is for programs that are set up by
// others; who knows the version does not need it. The answer takes 10 s at most.
// If it comes from neither, or not at all, the error is a *TransportError.
func Detect(ctx context.Context, baseURL string, client *http.Client) (Transport, error) {
	const command = "health_check"
	rest := &RESTTransport{BaseURL: baseURL, Client: client}
	if err := rest.check(); err != nil {
		return nil, err
	}
	defer rest.web.close(nil)
	var found Transport
	_, err := rest.web.roundTrip(ctx, rest.settings(), webRequest{
		command: command, method: http.MethodGet, path: "health-check", repeatable: true,
	}, func(command string, status int, body []byte) (*Response, error) {
		var o object
		switch {
		case status != http.StatusOK:
			return nil, &TransportError{Command: command, Sent: true, Err: fmt.Errorf("HTTP %d", status)}
		case strings.TrimSpace(string(body)) == "running": // no JSON, whatever its content type says
			found = &HTTPSTransport{BaseURL: baseURL, Client: client}
		case json.Unmarshal(body, &o) == nil && o.exact("status") == "running":
			found = &RESTTransport{BaseURL: baseURL, Client: client}
		default:
			return nil, &TransportError{Command: command, Sent: true, Err: errors.New("neither oxd 4 nor the extension of oxd 3.1")}
		}
		return nil, nil
	})
	return found, err
}
