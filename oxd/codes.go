package oxd

// The error codes of oxd.

import "strings"

// Code is the value of error in oxd's answer. It is an error itself, to be used
// with errors.Is. Servers may send others than those listed here, for example
// http_status_400 of oxd 3.1.4 for an answer of the provider.
type Code string

// Error returns the code, or a placeholder for what does not look like one: the
// text comes from the network.
func (c Code) Error() string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789_"
	if c == "" || len(c) > 64 || strings.Trim(string(c), letters) != "" {
		return "unreadable error code"
	}
	return string(c)
}

// Codes of oxd 3.1.1. Some stand for several situations; where that matters,
// there is a value for the situation, such as ErrStateNotRegistered.
const (
	CodeInternalError                     Code = "internal_error"
	CodeBadRequest                        Code = "bad_request"
	CodeNeedInfo                          Code = "need_info"
	CodeInvalidRequest                    Code = "invalid_request"
	CodeUnsupportedOperation              Code = "unsupported_operation"
	CodeInvalidOxdID                      Code = "invalid_oxd_id"
	CodeNoIDToken                         Code = "no_id_token"
	CodeNoAccessToken                     Code = "no_access_token"
	CodeInvalidNonce                      Code = "invalid_nonce"
	CodeInvalidState                      Code = "invalid_state"
	CodeInvalidIDToken                    Code = "invalid_id_token"
	CodeInvalidIDTokenBadNonce            Code = "invalid_id_token_bad_nonce"
	CodeInvalidIDTokenBadAudience         Code = "invalid_id_token_bad_audience"
	CodeInvalidIDTokenExpired             Code = "invalid_id_token_expired"
	CodeInvalidIDTokenBadIssuer           Code = "invalid_id_token_bad_issuer"
	CodeInvalidIDTokenBadSignature        Code = "invalid_id_token_bad_signature"
	CodeInvalidIDTokenUnknown             Code = "invalid_id_token_unknown"
	CodeInvalidAccessTokenBadHash         Code = "invalid_access_token_bad_hash"
	CodeInvalidAuthorizationCodeBadHash   Code = "invalid_authorization_code_bad_hash"
	CodeInvalidRegistrationClientURL      Code = "invalid_registration_client_url"
	CodeRPTNotAuthorized                  Code = "rpt_not_authorized"
	CodeInvalidOPHost                     Code = "invalid_op_host"
	CodeNoSetupClientForOxdID             Code = "no_setup_client_for_oxd_id"
	CodeBlankProtectionAccessToken        Code = "blank_protection_access_token"
	CodeInvalidProtectionAccessToken      Code = "invalid_protection_access_token"
	CodeInactiveProtectionAccessToken     Code = "inactive_protection_access_token"
	CodeInvalidAuthorizationRedirectURI   Code = "invalid_authorization_redirect_uri"
	CodeInvalidScope                      Code = "invalid_scope"
	CodeInvalidACRValues                  Code = "invalid_acr_values"
	CodeNoConnectDiscoveryResponse        Code = "no_connect_discovery_response"
	CodeNoUMADiscoveryResponse            Code = "no_uma_discovery_response"
	CodeInvalidUMARequest                 Code = "invalid_uma_request"
	CodeInvalidHTTPMethod                 Code = "invalid_http_method"
	CodeInvalidPathParameter              Code = "invalid_path_parameter"
	CodeInvalidTicketParameter            Code = "invalid_ticket_parameter"
	CodeInvalidClaimsRedirectURIParameter Code = "invalid_claims_redirect_uri_parameter"
	CodeInvalidRPTParameter               Code = "invalid_rpt_parameter"
	CodeNoEndSessionEndpointAtOP          Code = "no_end_session_endpoint_at_op"
	CodeNoRevocationEndpointAtOP          Code = "no_revocation_endpoint_at_op"
)

// Codes that the manual or a later 3.1.x version knows.
const (
	CodeInvalidTicket                    Code = "invalid_ticket"
	CodeHTTPMethodNotUnique              Code = "http_method_not_unique"
	CodeUMAProtectionExists              Code = "uma_protection_exists"
	CodeProtectionTokenInsufficientScope Code = "protection_access_token_insufficient_scope"
)

// Codes of oxd 4. It has more of them, mostly for wrong ID tokens.
const (
	CodeBlankAccessToken                  Code = "blank_access_token"
	CodeInvalidAccessToken                Code = "invalid_access_token"
	CodeInactiveAccessToken               Code = "inactive_access_token"
	CodeAccessTokenInsufficientScope      Code = "access_token_insufficient_scope"
	CodeInvalidIntrospectionResponse      Code = "invalid_introspection_response"
	CodeInvalidAuthorizationOxdID         Code = "invalid_authorization_oxd_id"
	CodeAuthorizationOxdIDNotFound        Code = "authorization_oxd_id_not_found"
	CodeOxdAccessDenied                   Code = "oxd_access_denied" // bind_ip_addresses
	CodeInvalidRedirectURI                Code = "invalid_redirect_uri"
	CodeInvalidOPHostAndConfiguration     Code = "invalid_op_host_and_configuration_endpoint"
	CodeRestrictedOPHost                  Code = "restricted_op_host"
	CodeInvalidClientID                   Code = "invalid_client_id"
	CodeInvalidClientSecret               Code = "invalid_client_secret"
	CodeInvalidClaimTokenOrClaimTokenForm Code = "invalid_claim_token_or_claim_token_form"
	CodeInvalidScopeExpression            Code = "invalid_scope_expression"
	CodeRemoveSiteFailed                  Code = "remove_site_failed"
	CodeFailedToGetDiscovery              Code = "failed_to_get_discovery"
	CodeFailedToGetIssuer                 Code = "failed_to_get_issuer"
	CodeInvalidIssuerDiscovered           Code = "invalid_issuer_discovered"
	CodeSSLHandshakeError                 Code = "ssl_handshake_error"
)

// formerCodes are the names of 3.1 for codes that oxd 4 calls otherwise.
// errors.Is matches both.
var formerCodes = map[Code]Code{
	CodeBlankAccessToken:             CodeBlankProtectionAccessToken,
	CodeInvalidAccessToken:           CodeInvalidProtectionAccessToken,
	CodeInactiveAccessToken:          CodeInactiveProtectionAccessToken,
	CodeAccessTokenInsufficientScope: CodeProtectionTokenInsufficientScope,
	CodeInvalidRedirectURI:           CodeInvalidAuthorizationRedirectURI,
}
