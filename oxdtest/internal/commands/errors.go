// The refusals of oxd 3.1.1 and 4, word for word.

package commands

import "example.com/oxdauth/internal/oxdwire"

// Refusals that are made before a command is executed.
var (
	// ErrUnsupported is for unknown commands.
	ErrUnsupported = oxdwire.Errorf(oxdwire.CodeUnsupportedOperation, "Operation is not supported by server error.")
	// ErrMalformed is for parameters of the wrong type.
	ErrMalformed = oxdwire.Errorf(oxdwire.CodeInternalError, "Command parameters are not specified or otherwise malformed.")
)

var (
	errNoRPT         = oxdwire.Errorf(oxdwire.CodeInternalError, "Failed to get RPT.")
	errNoOxdID       = oxdwire.Errorf(oxdwire.CodeBadRequest, "oxd_id is empty or not specified or is otherwise invalid (not registered).")
	errNoCode        = oxdwire.Errorf(oxdwire.CodeBadRequest, "'code' is empty or not specified.")
	errNoState       = oxdwire.Errorf(oxdwire.CodeBadRequest, "'state' is empty or not specified.")
	errUnknownState  = oxdwire.Errorf(oxdwire.CodeBadRequest, "'state' is not registered.")
	errNoIDToken     = oxdwire.Errorf(oxdwire.CodeNoIDToken, "id_token is not returned. Please check whether 'openid' scope is present for 'get_authorization_url' command")
	errIDTokenGiven  = oxdwire.Errorf(oxdwire.CodeNoIDToken, "id_token is not provided in request to oxd.")
	errNoAccessToken = oxdwire.Errorf(oxdwire.CodeNoAccessToken, "access_token is not returned.")
	errBadNonce      = oxdwire.Errorf(oxdwire.CodeInvalidNonce, "Nonce value is not registered by oxd.")
	errBadIDToken    = oxdwire.Errorf(oxdwire.CodeInvalidIDTokenUnknown, "Invalid id_token, validation fail due to exception, please check oxd-server.log for details.")
	errBadHash       = oxdwire.Errorf(oxdwire.CodeInvalidAccessTokenBadHash, "access_token is invalid. Hash of access_token does not match hash from id_token (at_hash).")
	errNoClientURI   = oxdwire.Errorf(oxdwire.CodeInvalidRegistrationClientURL, "Registration client URL is invalid. Please check registration_client_url response parameter from IDP (http://openid.net/specs/openid-connect-registration-1_0.html#RegistrationResponse).")
	errUnknownOxdID  = oxdwire.Errorf(oxdwire.CodeInvalidOxdID, "Invalid oxd_id. Unable to find site for oxd_id. Please use register_site or setup_client command for site registration.")
	errNoSetupClient = oxdwire.Errorf(oxdwire.CodeNoSetupClientForOxdID, "There are no setup client for given oxd_id. Please obtain oxd_id via setup_client command in order to force protection_access_token validation.")
	errBlankToken    = oxdwire.Errorf(oxdwire.CodeBlankProtectionAccessToken, "protection_access_token is blank. Command is protected by protection_access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errForeignToken  = oxdwire.Errorf(oxdwire.CodeInvalidProtectionAccessToken, "Invalid protection_access_token. Command is protected by protection_access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errInactiveToken = oxdwire.Errorf(oxdwire.CodeInactiveProtectionAccessToken, "Inactive protection_access_token. Command is protected by protection_access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errNoRedirectURI = oxdwire.Errorf(oxdwire.CodeInvalidAuthorizationRedirectURI, "Invalid authorization_redirect_uri (empty or blank).")
	errNoResources   = oxdwire.Errorf(oxdwire.CodeInvalidUMARequest, "Resources list to protect is empty or blank. Please check it according to protocol definition at https://www.gluu.org/docs-oxd")
	errNoMethod      = oxdwire.Errorf(oxdwire.CodeInvalidHTTPMethod, "http_method is not specified or otherwise not GET or POST or PUT or DELETE. Please check it according to protocol definition at https://www.gluu.org/docs-oxd")
	errNoPath        = oxdwire.Errorf(oxdwire.CodeInvalidPathParameter, "path parameter is not specified or otherwise not valid")
	errNoTicket      = oxdwire.Errorf(oxdwire.CodeInvalidTicketParameter, "ticket parameter is not specified or otherwise is not valid")
	errNoClaimsURI   = oxdwire.Errorf(oxdwire.CodeInvalidClaimsRedirectURIParameter, "claims_redirect_uri parameter is not specified or otherwise is not valid")
	errNoEndSession  = oxdwire.Errorf(oxdwire.CodeNoEndSessionEndpointAtOP, "OP does not provide end_session_endpoint at /.well-known/openid-configuration.")
)

// needInfo describes a need_info.
const needInfo = "The authorization server needs additional information in order to determine whether the client is authorized to have these permissions."

// Refusals of oxd 4.
var (
	errNoRedirect4   = oxdwire.Errorf(oxdwire.CodeInvalidRedirectURI, "Invalid redirect_uri (empty or blank).")
	errFragment      = oxdwire.Errorf(oxdwire.CodeRedirectURIHasFragment, "Redirect URI contains fragment component.")
	errNoHost4       = oxdwire.Errorf(oxdwire.CodeInvalidOPHostAndConfiguration, "op_host and op_configuration_endpoint are both blank.")
	errClientID      = oxdwire.Errorf(oxdwire.CodeInvalidClientID, "client_id is not given, but client_secret is.")
	errClientSecret  = oxdwire.Errorf(oxdwire.CodeInvalidClientSecret, "client_secret is not given, but client_id is.")
	errRemoveFailed  = oxdwire.Errorf(oxdwire.CodeRemoveSiteFailed, "Failed to remove site.")
	errNoResource    = oxdwire.Errorf(oxdwire.CodeBadRequestNoResource, "'resource' is empty or not specified.")
	errWrongIssuer   = oxdwire.Errorf(oxdwire.CodeInvalidIssuerDiscovered, "Discovered issuer does not match.")
	errNoRequestHost = oxdwire.Errorf(oxdwire.CodeBadRequestNoOxdHost, "'oxd_host_url' is empty or not specified.")
	errNotRegistered = oxdwire.Errorf(oxdwire.CodeRedirectURINotRegistered, "Redirect URI is not registered.")
	errBadCode       = oxdwire.Errorf(oxdwire.CodeBadRequest, "'code' is invalid.")
	errNoRefresh     = oxdwire.Errorf(oxdwire.CodeBadRequest, "'refresh token' is empty or not specified.")
	errProtected     = oxdwire.Errorf(oxdwire.CodeUMAProtectionExists, "UMA protection already exists for this site. Use overwrite to replace it.")
	errMalformed4    = oxdwire.Errorf(oxdwire.CodeBadRequest, "Command parameters are not specified or otherwise malformed.")
	errUnknownOxdID4 = oxdwire.Errorf(oxdwire.CodeInvalidOxdID, "Invalid oxd_id. Unable to find the site for oxd_id. It does not exist or has been removed from the server. Please use the register_site command to register a site.")
	errBlankToken4   = oxdwire.Errorf(oxdwire.CodeBlankAccessToken, "access_token is blank. Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errInactive4     = oxdwire.Errorf(oxdwire.CodeInactiveAccessToken, "Inactive access_token. Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errForeign4      = oxdwire.Errorf(oxdwire.CodeInvalidAccessToken, "Invalid access_token. Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errNoOxdScope    = oxdwire.Errorf(oxdwire.CodeAccessTokenInsufficientScope, "access_token does not have required scope (oxd). Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false")
	errAuthOxdID     = oxdwire.Errorf(oxdwire.CodeInvalidAuthorizationOxdID, "Invalid AuthorizationOxdId. Unable to find the site for it.")
)
