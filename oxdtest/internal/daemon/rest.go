// oxd 4: REST paths, parameters and answers without an envelope, statuses that mean something. It
// is one more way into the same oxd: sites, states and nonces are those of the other listeners.

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/idp"
)

// rest is the handler of oxd 4 until ctx ends.
func (d *Daemon) rest(ctx context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, known := oxdwire.RESTRoute(oxdwire.Path(r))
		switch {
		case oxdwire.Misrouted(w, r, known):
		case !known: // the health check
			oxdwire.WriteJSON(w, http.StatusOK, `{"application":"oxd","version":"4.2.3","status":"running"}`)
		default:
			d.serveREST(ctx, w, r, route)
		}
	})
}

func (d *Daemon) serveREST(ctx context.Context, w http.ResponseWriter, r *http.Request, route oxdwire.Route) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "Invalid parameters. Message: "+err.Error(), http.StatusBadRequest)
		return
	}
	if len(body) == 0 {
		body = []byte("{}")
	}
	params := oxdwire.NewParams(string(body))
	if !params.IsObject() {
		http.Error(w, "Invalid parameters. Message: no JSON object", http.StatusBadRequest)
		return
	}
	call := Call{Command: route.Command, OxdID: params.Peek(oxdwire.ParamOxdID), Params: body, Over: overREST}
	fault := d.faults.next(call.Command)
	a, done := fault.before(ctx, &call)
	status := http.StatusOK
	if done {
		a, status = unwrapped(a)
	} else {
		a, status = d.runREST(ctx, &call, params, route, r.Header)
		a = fault.after(a)
	}
	d.log.add(call)
	switch {
	case a.cut:
		panic(http.ErrAbortHandler) // net/http closes the connection
	case a.latin1:
		out, _ := a.frame()
		a.body = string(out[min(oxdwire.PrefixLen, len(out)):])
	}
	oxdwire.WriteJSON(w, status, a.body)
}

// runREST checks the token and executes the command.
func (d *Daemon) runREST(ctx context.Context, call *Call, params *oxdwire.Params, route oxdwire.Route, header http.Header) (answer, int) {
	var data any
	var err error
	if route.Token && d.cfg.ProtectCommands {
		err = d.engine.CheckToken4(ctx, call.OxdID, header)
	}
	if err == nil {
		if script := d.script(call.Command); script != nil {
			data, err = script(call.Params)
		} else {
			data, err = d.engine.Run4(ctx, call.Command, params)
		}
	}
	if err == nil && data != nil {
		return answer{body: oxdwire.Marshal(data)}, http.StatusOK
	}
	var relayed *idp.Failure
	if errors.As(err, &relayed) { // what the provider refused keeps its status
		call.Error = "http_status"
		return answer{body: oxdwire.Marshal(map[string]any{"code": relayed.Status, "message": string(relayed.Body)})}, relayed.Status
	}
	var refusal *oxdwire.Error
	if !errors.As(err, &refusal) {
		refusal = &oxdwire.Error{Code: oxdwire.CodeInternalError, Description: "Unknown internal server error occurs."}
	}
	call.Error = refusal.Code
	status, body := refusal.RESTAnswer()
	return answer{body: body}, status
}

// unwrapped turns the answer of a fault, made for the socket, into one of oxd 4.
func unwrapped(a answer) (answer, int) {
	var e struct {
		Data struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		} `json:"data"`
	}
	if a.cut || json.Unmarshal([]byte(a.body), &e) != nil {
		return a, http.StatusOK
	}
	status, body := (&oxdwire.Error{Code: e.Data.Error, Description: e.Data.Description}).RESTAnswer()
	a.body = body
	return a, status
}
