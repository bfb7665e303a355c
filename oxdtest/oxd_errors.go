package oxdtest

// The errors of oxd 3.1.1, word for word.

import "fmt"

// Errorf makes an error that a function given to [Server.Handle] answers with: oxd's error code and description. Any other
// error is answered as the generic internal error, after which oxd closes the connection.
func Errorf(code, description string, args ...any) error {
	if len(args) > 0 {
		description = fmt.Sprintf(description, args...)
	}
	return &commandError{code: code, description: description}
}

type commandError struct {
	code, description string
	details           any
}

func (e *commandError) Error() string { return e.code + ": " + e.description }

const (
	internalError = `{"status":"error","data":{"error":"internal_error","details":null,"error_description":"Unknown internal server error occurs."}}`
	noResponse    = "Command response is null, please check oxd-server.log file of oxd-server application."
)

var (
	errUnsupported   = Errorf("unsupported_operation", "Operation is not supported by server error.")
	errMalformed     = Errorf("internal_error", "Command parameters are not specified or otherwise malformed.")
	errNoRPT         = Errorf("internal_error", "Failed to get RPT.")
	errNoOxdID       = Errorf("bad_request", "oxd_id is empty or not specified or is otherwise invalid (not registered).")
	errNoCode        = Errorf("bad_request", "'code' is empty or not specified.")
	errNoState       = Errorf("bad_request", "'state' is empty or not specified.")
	errUnknownState  = Errorf("bad_request", "'state' is not registered.")
	errNoIDToken     = Errorf("no_id_token", "id_token is not returned. Please check whether 'openid' scope is present for 'get_authorization_url' command")
	errIDTokenGiven  = Errorf("no_id_token", "id_token is not provided in request to oxd.")
	errNoAccessToken = Errorf("no_access_token", "access_token is not returned.")
	errBadNonce      = Errorf("invalid_nonce", "Nonce value is not registered by oxd.")
	errBadIDToken    = Errorf("invalid_id_token_unknown", "Invalid id_token, validation fail due to exception, please check oxd-server.log for details.")
	errBadHash       = Errorf("invalid_access_token_bad_hash", "access_token is invalid. Hash of access_token does not match hash from id_token (at_hash).")
	errNoClientURI   = Errorf("invalid_registration_client_url", "Registration client URL is invalid. Please check registration_client_url response parameter from IDP (http://openid.net/specs/openid-connect-registration-1_0.html#RegistrationResponse).")
	errUnknownOxdID  = Errorf("invalid_oxd_id", "Invalid oxd_id. Unable to find site for oxd_id. Please use register_site or setup_client command for site registration.")
	errNoOPHost      = Errorf("invalid_op_host", "Invalid op_host (empty or blank).")
	errNoSetupClient = Errorf("no_setup_client_for_oxd_id", "There are no setup client for given oxd_id. Please obtain oxd_id via setup_client command in order to force protection_access_token validation.")
	errBlankToken    = Errorf("blank_protection_access_token", "protection_access_token is blank. Command is protected by protection_access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errForeignToken  = Errorf("invalid_protection_access_token", "Invalid protection_access_token. Command is protected by protection_access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errInactiveToken = Errorf("inactive_protection_access_token", "Inactive protection_access_token. Command is protected by protection_access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errNoRedirectURI = Errorf("invalid_authorization_redirect_uri", "Invalid authorization_redirect_uri (empty or blank).")
	errNoDiscovery   = Errorf("no_connect_discovery_response", "Unable to fetch Connect discovery response /.well-known/openid-configuration")
	errNoUMA         = Errorf("no_uma_discovery_response", "Unable to fetch UMA discovery response /.well-known/uma2-configuration")
	errNoResources   = Errorf("invalid_uma_request", "Resources list to protect is empty or blank. Please check it according to protocol definition at https://www.gluu.org/docs-oxd")
	errNoMethod      = Errorf("invalid_http_method", "http_method is not specified or otherwise not GET or POST or PUT or DELETE. Please check it according to protocol definition at https://www.gluu.org/docs-oxd")
	errNoPath        = Errorf("invalid_path_parameter", "path parameter is not specified or otherwise not valid")
	errNoTicket      = Errorf("invalid_ticket_parameter", "ticket parameter is not specified or otherwise is not valid")
	errNoClaimsURI   = Errorf("invalid_claims_redirect_uri_parameter", "claims_redirect_uri parameter is not specified or otherwise is not valid")
	errNoEndSession  = Errorf("no_end_session_endpoint_at_op", "OP does not provide end_session_endpoint at /.well-known/openid-configuration.")
)

const needInfo = "The authorization server needs additional information in order to determine whether the client is authorized to have these permissions."

// errorBody gives an error in the key order of oxd.
func errorBody(e *commandError) string {
	return marshal(struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}{"error", struct {
		Error       string `json:"error"`
		Details     any    `json:"details"`
		Description string `json:"error_description"`
	}{e.code, e.details, e.description}})
}
