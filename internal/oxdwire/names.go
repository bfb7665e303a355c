// Names of parameters and headers that clients and servers must agree on.

package oxdwire

// Parameters of many commands.
const (
	ParamOxdID = "oxd_id"
	// ParamToken is the protection token, on the socket only.
	ParamToken = "protection_access_token"
)

// HeaderAuthorizationOxdID names the site whose client the protection token belongs to, if it is
// not the site of the command. oxd 4 reads it.
const HeaderAuthorizationOxdID = "AuthorizationOxdId"

// Parameters of a registration that oxd 3.1 and oxd 4 call otherwise. Each ignores the names of the
// other.
const (
	Param3RedirectURI  = "authorization_redirect_uri" // the first of Param4RedirectURIs
	Param3PostLogout   = "post_logout_redirect_uri"   // the first of Param4PostLogouts
	Param3Trusted      = "trusted_client"             // AttributeTrusted in Param4Attributes
	Param3LogoutURIs   = "client_logout_uris"         // of an update; oxd 4 has no parameter for it
	Param4RedirectURIs = "redirect_uris"              // in 3.1 further ones
	Param4PostLogouts  = "post_logout_redirect_uris"
	Param4Attributes   = "custom_attributes"
	AttributeTrusted   = "oxAuthTrustedClient" // "true"
)
