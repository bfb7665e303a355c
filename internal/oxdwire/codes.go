// The error codes of oxd, and their HTTP statuses in oxd 4.

package oxdwire

import (
	"net/http"
	"slices"
	"strings"
)

// Codes of oxd 3.1.1.
const (
	CodeInternalError                     = "internal_error"
	CodeBadRequest                        = "bad_request"
	CodeNeedInfo                          = "need_info"
	CodeInvalidRequest                    = "invalid_request"
	CodeUnsupportedOperation              = "unsupported_operation"
	CodeInvalidOxdID                      = "invalid_oxd_id"
	CodeNoIDToken                         = "no_id_token"
	CodeNoAccessToken                     = "no_access_token"
	CodeInvalidNonce                      = "invalid_nonce"
	CodeInvalidState                      = "invalid_state"
	CodeInvalidIDToken                    = "invalid_id_token"
	CodeInvalidIDTokenBadNonce            = "invalid_id_token_bad_nonce"
	CodeInvalidIDTokenBadAudience         = "invalid_id_token_bad_audience"
	CodeInvalidIDTokenExpired             = "invalid_id_token_expired"
	CodeInvalidIDTokenBadIssuer           = "invalid_id_token_bad_issuer"
	CodeInvalidIDTokenBadSignature        = "invalid_id_token_bad_signature"
	CodeInvalidIDTokenUnknown             = "invalid_id_token_unknown"
	CodeInvalidAccessTokenBadHash         = "invalid_access_token_bad_hash"
	CodeInvalidAuthorizationCodeBadHash   = "invalid_authorization_code_bad_hash"
	CodeInvalidRegistrationClientURL      = "invalid_registration_client_url"
	CodeRPTNotAuthorized                  = "rpt_not_authorized"
	CodeInvalidOPHost                     = "invalid_op_host"
	CodeNoSetupClientForOxdID             = "no_setup_client_for_oxd_id"
	CodeBlankProtectionAccessToken        = "blank_protection_access_token"
	CodeInvalidProtectionAccessToken      = "invalid_protection_access_token"
	CodeInactiveProtectionAccessToken     = "inactive_protection_access_token"
	CodeInvalidAuthorizationRedirectURI   = "invalid_authorization_redirect_uri"
	CodeInvalidScope                      = "invalid_scope"
	CodeInvalidACRValues                  = "invalid_acr_values"
	CodeNoConnectDiscoveryResponse        = "no_connect_discovery_response"
	CodeNoUMADiscoveryResponse            = "no_uma_discovery_response"
	CodeInvalidUMARequest                 = "invalid_uma_request"
	CodeInvalidHTTPMethod                 = "invalid_http_method"
	CodeInvalidPathParameter              = "invalid_path_parameter"
	CodeInvalidTicketParameter            = "invalid_ticket_parameter"
	CodeInvalidClaimsRedirectURIParameter = "invalid_claims_redirect_uri_parameter"
	CodeInvalidRPTParameter               = "invalid_rpt_parameter"
	CodeNoEndSessionEndpointAtOP          = "no_end_session_endpoint_at_op"
	CodeNoRevocationEndpointAtOP          = "no_revocation_endpoint_at_op"
)

// Codes of the manual and of later 3.1.x versions.
const (
	CodeInvalidTicket                    = "invalid_ticket"
	CodeHTTPMethodNotUnique              = "http_method_not_unique"
	CodeUMAProtectionExists              = "uma_protection_exists"
	CodeProtectionTokenInsufficientScope = "protection_access_token_insufficient_scope"
)

// Codes of oxd 4. It has more of them.
const (
	CodeBlankAccessToken                  = "blank_access_token"
	CodeInvalidAccessToken                = "invalid_access_token"
	CodeInactiveAccessToken               = "inactive_access_token"
	CodeAccessTokenInsufficientScope      = "access_token_insufficient_scope"
	CodeInvalidIntrospectionResponse      = "invalid_introspection_response"
	CodeInvalidAuthorizationOxdID         = "invalid_authorization_oxd_id"
	CodeAuthorizationOxdIDNotFound        = "authorization_oxd_id_not_found"
	CodeOxdAccessDenied                   = "oxd_access_denied" // bind_ip_addresses
	CodeInvalidRedirectURI                = "invalid_redirect_uri"
	CodeInvalidOPHostAndConfiguration     = "invalid_op_host_and_configuration_endpoint"
	CodeRestrictedOPHost                  = "restricted_op_host"
	CodeInvalidClientID                   = "invalid_client_id"
	CodeInvalidClientSecret               = "invalid_client_secret"
	CodeInvalidClaimTokenOrClaimTokenForm = "invalid_claim_token_or_claim_token_form"
	CodeInvalidScopeExpression            = "invalid_scope_expression"
	CodeRemoveSiteFailed                  = "remove_site_failed"
	CodeFailedToGetDiscovery              = "failed_to_get_discovery"
	CodeFailedToGetIssuer                 = "failed_to_get_issuer"
	CodeInvalidIssuerDiscovered           = "invalid_issuer_discovered"
	CodeSSLHandshakeError                 = "ssl_handshake_error"
)

// Codes of oxd 4 that package oxd has no names for.
const (
	CodeBadRequestNoResource     = "bad_request_no_resource"
	CodeBadRequestNoOxdHost      = "bad_request_no_oxd_host"
	CodeInvalidUMAScopeParameter = "invalid_uma_scope_parameter"
	CodeRedirectURIHasFragment   = "redirect_uri_has_fragment_component"
	CodeRedirectURINotRegistered = "redirect_uri_is_not_registered"
)

// restStatuses are the statuses of oxd 4 other than 500.
var restStatuses = map[int][]string{
	http.StatusBadRequest: {
		CodeBadRequest, "bad_request_no_issuer", CodeBadRequestNoResource, CodeBadRequestNoOxdHost, CodeInvalidNonce,
		CodeInvalidState, CodeInvalidOxdID, CodeInvalidRequest, CodeInvalidClientSecret, CodeInvalidClientID,
		CodeInvalidOPHost, "invalid_op_configuration_endpoint", CodeInvalidOPHostAndConfiguration, CodeInvalidRedirectURI,
		CodeRedirectURIHasFragment, CodeRedirectURINotRegistered, CodeInvalidScope, CodeInvalidACRValues,
		CodeInvalidUMARequest, CodeInvalidHTTPMethod, CodeInvalidUMAScopeParameter, CodeInvalidPathParameter,
		CodeInvalidTicketParameter, CodeInvalidClaimsRedirectURIParameter, CodeInvalidRPTParameter,
		CodeInvalidClaimTokenOrClaimTokenForm, CodeHTTPMethodNotUnique, CodeInvalidScopeExpression,
		CodeUMAProtectionExists, CodeInvalidAuthorizationOxdID, CodeAuthorizationOxdIDNotFound,
	},
	http.StatusForbidden: {
		CodeBlankAccessToken, CodeInvalidAccessToken, CodeInactiveAccessToken, CodeAccessTokenInsufficientScope,
		CodeOxdAccessDenied,
	},
}

func restStatus(code string) int {
	for status, codes := range restStatuses {
		if slices.Contains(codes, code) {
			return status
		}
	}
	return http.StatusInternalServerError
}

// needInfoStatus returns the status for the details of a need_info, which can be another error.
func needInfoStatus(details string) int {
	if strings.Contains(details, `"error":"invalid_ticket"`) || strings.Contains(details, `"error":"invalid_claim_token_format"`) {
		return http.StatusBadRequest
	}
	return http.StatusForbidden
}
