package oxdtest

// oxd 4: REST paths, parameters and answers without an envelope, statuses that mean something. It is one more way into the
// same oxd: sites, states and nonces are those of the other listeners.

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
)

const overREST transport = "rest"

// restCommand is what a path runs. Its name in the call log and for faults is the path with underscores.
type restCommand struct {
	run     func(*execution) (any, error)
	checked bool // takes a protection token, in 4.2
}

var restCommands = map[string]restCommand{
	"/register-site": {(*execution).registerSite4, false}, "/update-site": {(*execution).updateSite4, false},
	"/remove-site": {(*execution).removeSite, false}, "/get-rp": {(*execution).getRP, false},
	"/get-client-token": {(*execution).clientToken, false}, "/get-jwks": {(*execution).getJWKS, false},
	"/get-discovery": {(*execution).getDiscovery, false}, "/get-issuer": {(*execution).getIssuer, false},
	"/get-authorization-url": {(*execution).authorizationURL, true}, "/get-tokens-by-code": {(*execution).tokensByCode, true},
	"/get-access-token-by-refresh-token": {(*execution).refreshToken, true},
	"/get-user-info":                     {(*execution).userInfo, true}, "/get-logout-uri": {(*execution).logoutURI, true},
	"/introspect-access-token": {(*execution).introspectAccessToken, true}, "/introspect-rpt": {(*execution).introspectRPT4, true},
	"/check-id-token": {(*execution).idTokenStatus, true}, "/check-access-token": {(*execution).accessTokenStatus, true},
	"/uma-rs-protect": {(*execution).rsProtect, true}, "/uma-rs-modify": {(*execution).rsModify, true},
	"/uma-rs-check-access": {(*execution).rsCheckAccess, true}, "/uma-rp-get-rpt": {(*execution).rpGetRPT, true},
	"/uma-rp-get-claims-gathering-url": {(*execution).rpClaimsGatheringURL, true},
	"/get-authorization-code":          {(*execution).passwordLogin, true}, "/authorization-code-flow": {(*execution).passwordLogin, true},
	"/get-request-object-uri": {(*execution).requestObjectURI, true},
}

// rest is the handler of oxd 4 until ctx ends.
func (s *Server) rest(ctx context.Context) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		to, known := restCommands[r.URL.Path]
		switch {
		case misrouted(w, r, known):
		case !known: // the health check
			restWrite(w, http.StatusOK, `{"application":"oxd","version":"4.2.3","status":"running"}`)
		default:
			s.serveREST(ctx, w, r, to)
		}
	})
}

func (s *Server) serveREST(ctx context.Context, w http.ResponseWriter, r *http.Request, to restCommand) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "Invalid parameters. Message: "+err.Error(), http.StatusBadRequest)
		return
	}
	if len(body) == 0 {
		body = []byte("{}")
	}
	call := Call{Command: strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/"), "-", "_"), Params: body, Over: string(overREST)}
	p := params{raw: json.RawMessage(markSurrogates(string(body)))}
	if !p.object() {
		http.Error(w, "Invalid parameters. Message: no JSON object", http.StatusBadRequest)
		return
	}
	call.OxdID = (&params{fields: p.fields}).str("oxd_id")
	fault := s.faults.next(call.Command)
	a, done := fault.before(ctx, &call)
	status := http.StatusOK
	if done {
		a, status = unwrapped(a)
	} else {
		x := &execution{ctx: ctx, engine: s.engine, params: &p, v4: true}
		a, status = s.runREST(&call, x, to, r)
		a = fault.after(a)
	}
	s.log.add(call)
	switch {
	case a.cut:
		panic(http.ErrAbortHandler) // net/http closes the connection
	case a.latin1:
		out, _ := answer{body: a.body, latin1: true}.frame()
		a.body = string(out[min(4, len(out)):])
	}
	restWrite(w, status, a.body)
}

func restWrite(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body) // the client may have gone away
}

// runREST checks the token and executes the command.
func (s *Server) runREST(call *Call, x *execution, to restCommand, r *http.Request) (answer, int) {
	var data any
	var err error
	if to.checked && s.cfg.ProtectCommands {
		err = x.checkToken4(call.OxdID, r.Header)
	}
	if err == nil {
		if script, scripted := s.scripts.Load(call.Command); scripted {
			data, err = script.(func(json.RawMessage) (any, error))(call.Params)
		} else {
			data, err = to.run(x)
		}
	}
	if err == nil && data != nil {
		return answer{body: marshal(data)}, http.StatusOK
	}
	var relayed *opFailure
	if errors.As(err, &relayed) { // what the provider refused keeps its status
		call.Error = "http_status"
		return answer{body: marshal(map[string]any{"code": relayed.status, "message": string(relayed.body)})}, relayed.status
	}
	var coded *commandError
	if !errors.As(err, &coded) {
		coded = &commandError{code: "internal_error", description: "Unknown internal server error occurs."}
	}
	call.Error = coded.code
	status := restStatus(coded.code)
	if coded.code == "need_info" { // the details alone
		status = http.StatusForbidden
		text := marshal(coded.details)
		if strings.Contains(text, `"error":"invalid_ticket"`) || strings.Contains(text, `"error":"invalid_claim_token_format"`) {
			status = http.StatusBadRequest
		}
		return answer{body: text}, status
	}
	return answer{body: restError(coded)}, status
}

func restError(e *commandError) string {
	return marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Details     any    `json:"details"`
		Reason      any    `json:"reason"`
	}{e.code, e.description, e.details, nil})
}

// unwrapped turns the answer of a fault, made for the socket, into one of this dialect.
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
	a.body = restError(&commandError{code: e.Data.Error, description: e.Data.Description})
	return a, restStatus(e.Data.Error)
}

var restStatuses = map[int][]string{
	http.StatusBadRequest: {
		"bad_request", "bad_request_no_issuer", "bad_request_no_resource", "bad_request_no_oxd_host", "invalid_nonce", "invalid_state", "invalid_oxd_id",
		"invalid_request", "invalid_client_secret", "invalid_client_id", "invalid_op_host", "invalid_op_configuration_endpoint",
		"invalid_op_host_and_configuration_endpoint", "invalid_redirect_uri", "redirect_uri_has_fragment_component", "redirect_uri_is_not_registered",
		"invalid_scope", "invalid_acr_values", "invalid_uma_request", "invalid_http_method", "invalid_uma_scope_parameter", "invalid_path_parameter",
		"invalid_ticket_parameter", "invalid_claims_redirect_uri_parameter", "invalid_rpt_parameter", "invalid_claim_token_or_claim_token_form",
		"http_method_not_unique", "invalid_scope_expression", "uma_protection_exists", "invalid_authorization_oxd_id", "authorization_oxd_id_not_found",
	},
	http.StatusForbidden: {"blank_access_token", "invalid_access_token", "inactive_access_token", "access_token_insufficient_scope", "oxd_access_denied"},
}

func restStatus(code string) int {
	for status, codes := range restStatuses {
		if slices.Contains(codes, code) {
			return status
		}
	}
	return http.StatusInternalServerError
}

var (
	errUnknownOxdID4 = Errorf("invalid_oxd_id", "Invalid oxd_id. Unable to find the site for oxd_id. It does not exist or has been removed from the server. Please use the register_site command to register a site.")
	errBlankToken4   = Errorf("blank_access_token", "access_token is blank. Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errInactive4     = Errorf("inactive_access_token", "Inactive access_token. Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errForeign4      = Errorf("invalid_access_token", "Invalid access_token. Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errNoOxdScope    = Errorf("access_token_insufficient_scope", "access_token does not have required scope (oxd). Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errAuthOxdID     = Errorf("invalid_authorization_oxd_id", "Invalid AuthorizationOxdId. Unable to find the site for it.")
)

// checkToken4 looks at the token of the header, with which site decides: that of the command, or of AuthorizationOxdId.
func (x *execution) checkToken4(oxdID string, h http.Header) error {
	header := h.Get("Authorization")
	if header != "" && len(header) < 7 {
		return errInternal // it cuts seven characters off, whatever they are
	}
	token := ""
	if header != "" {
		token = strings.TrimSpace(header[7:])
	}
	unknown := error(errUnknownOxdID4)
	if other := h.Get("AuthorizationOxdId"); other != "" {
		oxdID, unknown = other, errAuthOxdID
	}
	switch {
	case oxdID == "":
		return errNoOxdID
	case token == "":
		return errBlankToken4
	}
	x.engine.mu.Lock()
	site := x.engine.sites[oxdID]
	x.engine.mu.Unlock()
	if site == nil {
		return unknown
	}
	m, err := x.engine.op.connect(x.ctx, site.opHost, site.discoveryPath)
	if err != nil {
		return err
	}
	protection, err := x.pat(site, site.client)
	if err != nil {
		return err
	}
	about, err := x.engine.op.introspect(x.ctx, m.Introspection, protection, token)
	switch {
	case err != nil:
		return err
	case !about.Active:
		return errInactive4
	case !slices.Contains(strings.Fields(about.Scope), "oxd"):
		return errNoOxdScope
	case about.ClientID != site.client.id:
		return errForeign4
	}
	return nil
}
