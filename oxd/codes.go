package oxd

// The error codes of oxd.

import (
	"strings"

	"example.com/oxdauth/internal/oxdwire"
)

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
	CodeInternalError                     Code = oxdwire.CodeInternalError                     // "internal_error"
	CodeBadRequest                        Code = oxdwire.CodeBadRequest                        // "bad_request"
	CodeNeedInfo                          Code = oxdwire.CodeNeedInfo                          // "need_info"
	CodeInvalidRequest                    Code = oxdwire.CodeInvalidRequest                    // "invalid_request"
	CodeUnsupportedOperation              Code = oxdwire.CodeUnsupportedOperation              // "unsupported_operation"
	CodeInvalidOxdID                      Code = oxdwire.CodeInvalidOxdID                      // "invalid_oxd_id"
	CodeNoIDToken                         Code = oxdwire.CodeNoIDToken                         // "no_id_token"
	CodeNoAccessToken                     Code = oxdwire.CodeNoAccessToken                     // "no_access_token"
	CodeInvalidNonce                      Code = oxdwire.CodeInvalidNonce                      // "invalid_nonce"
	CodeInvalidState                      Code = oxdwire.CodeInvalidState                      // "invalid_state"
	CodeInvalidIDToken                    Code = oxdwire.CodeInvalidIDToken                    // "invalid_id_token"
	CodeInvalidIDTokenBadNonce            Code = oxdwire.CodeInvalidIDTokenBadNonce            // "invalid_id_token_bad_nonce"
	CodeInvalidIDTokenBadAudience         Code = oxdwire.CodeInvalidIDTokenBadAudience         // "invalid_id_token_bad_audience"
	CodeInvalidIDTokenExpired             Code = oxdwire.CodeInvalidIDTokenExpired             // "invalid_id_token_expired"
	CodeInvalidIDTokenBadIssuer           Code = oxdwire.CodeInvalidIDTokenBadIssuer           // "invalid_id_token_bad_issuer"
	CodeInvalidIDTokenBadSignature        Code = oxdwire.CodeInvalidIDTokenBadSignature        // "invalid_id_token_bad_signature"
	CodeInvalidIDTokenUnknown             Code = oxdwire.CodeInvalidIDTokenUnknown             // "invalid_id_token_unknown"
	CodeInvalidAccessTokenBadHash         Code = oxdwire.CodeInvalidAccessTokenBadHash         // "invalid_access_token_bad_hash"
	CodeInvalidAuthorizationCodeBadHash   Code = oxdwire.CodeInvalidAuthorizationCodeBadHash   // "invalid_authorization_code_bad_hash"
	CodeInvalidRegistrationClientURL      Code = oxdwire.CodeInvalidRegistrationClientURL      // "invalid_registration_client_url"
	CodeRPTNotAuthorized                  Code = oxdwire.CodeRPTNotAuthorized                  // "rpt_not_authorized"
	CodeInvalidOPHost                     Code = oxdwire.CodeInvalidOPHost                     // "invalid_op_host"
	CodeNoSetupClientForOxdID             Code = oxdwire.CodeNoSetupClientForOxdID             // "no_setup_client_for_oxd_id"
	CodeBlankProtectionAccessToken        Code = oxdwire.CodeBlankProtectionAccessToken        // "blank_protection_access_token"
	CodeInvalidProtectionAccessToken      Code = oxdwire.CodeInvalidProtectionAccessToken      // "invalid_protection_access_token"
	CodeInactiveProtectionAccessToken     Code = oxdwire.CodeInactiveProtectionAccessToken     // "inactive_protection_access_token"
	CodeInvalidAuthorizationRedirectURI   Code = oxdwire.CodeInvalidAuthorizationRedirectURI   // "invalid_authorization_redirect_uri"
	CodeInvalidScope                      Code = oxdwire.CodeInvalidScope                      // "invalid_scope"
	CodeInvalidACRValues                  Code = oxdwire.CodeInvalidACRValues                  // "invalid_acr_values"
	CodeNoConnectDiscoveryResponse        Code = oxdwire.CodeNoConnectDiscoveryResponse        // "no_connect_discovery_response"
	CodeNoUMADiscoveryResponse            Code = oxdwire.CodeNoUMADiscoveryResponse            // "no_uma_discovery_response"
	CodeInvalidUMARequest                 Code = oxdwire.CodeInvalidUMARequest                 // "invalid_uma_request"
	CodeInvalidHTTPMethod                 Code = oxdwire.CodeInvalidHTTPMethod                 // "invalid_http_method"
	CodeInvalidPathParameter              Code = oxdwire.CodeInvalidPathParameter              // "invalid_path_parameter"
	CodeInvalidTicketParameter            Code = oxdwire.CodeInvalidTicketParameter            // "invalid_ticket_parameter"
	CodeInvalidClaimsRedirectURIParameter Code = oxdwire.CodeInvalidClaimsRedirectURIParameter // "invalid_claims_redirect_uri_parameter"
	CodeInvalidRPTParameter               Code = oxdwire.CodeInvalidRPTParameter               // "invalid_rpt_parameter"
	CodeNoEndSessionEndpointAtOP          Code = oxdwire.CodeNoEndSessionEndpointAtOP          // "no_end_session_endpoint_at_op"
	CodeNoRevocationEndpointAtOP          Code = oxdwire.CodeNoRevocationEndpointAtOP          // "no_revocation_endpoint_at_op"
)

// Codes of the manual and of later 3.1.x versions.
const (
	CodeInvalidTicket                    Code = oxdwire.CodeInvalidTicket                    // "invalid_ticket"
	CodeHTTPMethodNotUnique              Code = oxdwire.CodeHTTPMethodNotUnique              // "http_method_not_unique"
	CodeUMAProtectionExists              Code = oxdwire.CodeUMAProtectionExists              // "uma_protection_exists"
	CodeProtectionTokenInsufficientScope Code = oxdwire.CodeProtectionTokenInsufficientScope // "protection_access_token_insufficient_scope"
)

// Codes of oxd 4. It has more of them, mostly for wrong ID tokens.
const (
	CodeBlankAccessToken                  Code = oxdwire.CodeBlankAccessToken                  // "blank_access_token"
	CodeInvalidAccessToken                Code = oxdwire.CodeInvalidAccessToken                // "invalid_access_token"
	CodeInactiveAccessToken               Code = oxdwire.CodeInactiveAccessToken               // "inactive_access_token"
	CodeAccessTokenInsufficientScope      Code = oxdwire.CodeAccessTokenInsufficientScope      // "access_token_insufficient_scope"
	CodeInvalidIntrospectionResponse      Code = oxdwire.CodeInvalidIntrospectionResponse      // "invalid_introspection_response"
	CodeInvalidAuthorizationOxdID         Code = oxdwire.CodeInvalidAuthorizationOxdID         // "invalid_authorization_oxd_id"
	CodeAuthorizationOxdIDNotFound        Code = oxdwire.CodeAuthorizationOxdIDNotFound        // "authorization_oxd_id_not_found"
	CodeOxdAccessDenied                   Code = oxdwire.CodeOxdAccessDenied                   // "oxd_access_denied", bind_ip_addresses
	CodeInvalidRedirectURI                Code = oxdwire.CodeInvalidRedirectURI                // "invalid_redirect_uri"
	CodeInvalidOPHostAndConfiguration     Code = oxdwire.CodeInvalidOPHostAndConfiguration     // "invalid_op_host_and_configuration_endpoint"
	CodeRestrictedOPHost                  Code = oxdwire.CodeRestrictedOPHost                  // "restricted_op_host"
	CodeInvalidClientID                   Code = oxdwire.CodeInvalidClientID                   // "invalid_client_id"
	CodeInvalidClientSecret               Code = oxdwire.CodeInvalidClientSecret               // "invalid_client_secret"
	CodeInvalidClaimTokenOrClaimTokenForm Code = oxdwire.CodeInvalidClaimTokenOrClaimTokenForm // "invalid_claim_token_or_claim_token_form"
	CodeInvalidScopeExpression            Code = oxdwire.CodeInvalidScopeExpression            // "invalid_scope_expression"
	CodeRemoveSiteFailed                  Code = oxdwire.CodeRemoveSiteFailed                  // "remove_site_failed"
	CodeFailedToGetDiscovery              Code = oxdwire.CodeFailedToGetDiscovery              // "failed_to_get_discovery"
	CodeFailedToGetIssuer                 Code = oxdwire.CodeFailedToGetIssuer                 // "failed_to_get_issuer"
	CodeInvalidIssuerDiscovered           Code = oxdwire.CodeInvalidIssuerDiscovered           // "invalid_issuer_discovered"
	CodeSSLHandshakeError                 Code = oxdwire.CodeSSLHandshakeError                 // "ssl_handshake_error"
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
