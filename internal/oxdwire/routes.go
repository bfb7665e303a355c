// The paths of commands over HTTPS: those of the extension of oxd 3.1, and those of oxd 4.

package oxdwire

import "strings"

// healthPath is the path of the health check, of both. Paths have no slash in front.
const healthPath = "health-check"

// Route is the command behind a path. Commands are sent by POST.
type Route struct {
	// Command is its name on the socket; with oxd 4 it is the path with underscores.
	Command string
	// Token reports whether the command takes a protection token in the header.
	Token bool
	// Later reports that oxd 3.1.1 answers 404; later 3.1.x versions have the path.
	Later bool
}

// ExtensionRoute returns the command behind a path of the HTTPS extension, which demands a token
// where Route.Token is set.
func ExtensionRoute(path string) (Route, bool) {
	route, ok := extensionRoutes[path]
	return route, ok
}

var extensionRoutes = map[string]Route{
	"setup-client":                      {Command: "setup_client"},
	"get-client-token":                  {Command: "get_client_token"},
	"get-access-token-by-refresh-token": {Command: "get_access_token_by_refresh_token"},
	"register-site":                     {Command: "register_site", Token: true},
	"update-site":                       {Command: "update_site_registration", Token: true},
	"get-authorization-url":             {Command: "get_authorization_url", Token: true},
	"get-tokens-by-code":                {Command: "get_tokens_by_code", Token: true},
	"get-user-info":                     {Command: "get_user_info", Token: true},
	"get-logout-uri":                    {Command: "get_logout_uri", Token: true},
	"uma-rs-protect":                    {Command: "uma_rs_protect", Token: true},
	"uma-rs-check-access":               {Command: "uma_rs_check_access", Token: true},
	"uma-rp-get-rpt":                    {Command: "uma_rp_get_rpt", Token: true},
	"uma-rp-get-claims-gathering-url":   {Command: "uma_rp_get_claims_gathering_url", Token: true},
	"remove-site":                       {Command: "remove_site", Token: true, Later: true},
	"introspect-access-token":           {Command: "introspect_access_token", Token: true, Later: true},
	"introspect-rpt":                    {Command: "introspect_rpt", Token: true, Later: true},
}

// ExtensionPath returns the path of a command of the socket, which need not exist.
func ExtensionPath(command string) string {
	if command == "update_site_registration" {
		return "update-site"
	}
	return strings.ReplaceAll(command, "_", "-")
}

// RESTRoute returns the command behind a path of oxd 4. Some versions lack some of the paths. Since
// 4.2 the commands with Route.Token take a token, unless oxd is configured to do without.
func RESTRoute(path string) (Route, bool) {
	route, ok := restRoutes[path]
	return route, ok
}

var restRoutes = map[string]Route{
	"register-site":                     {Command: "register_site"},
	"update-site":                       {Command: "update_site"},
	"remove-site":                       {Command: "remove_site"},
	"get-rp":                            {Command: "get_rp"},
	"get-client-token":                  {Command: "get_client_token"},
	"get-jwks":                          {Command: "get_jwks"},
	"get-discovery":                     {Command: "get_discovery"},
	"get-issuer":                        {Command: "get_issuer"},
	"get-authorization-url":             {Command: "get_authorization_url", Token: true},
	"get-tokens-by-code":                {Command: "get_tokens_by_code", Token: true},
	"get-access-token-by-refresh-token": {Command: "get_access_token_by_refresh_token", Token: true},
	"get-user-info":                     {Command: "get_user_info", Token: true},
	"get-logout-uri":                    {Command: "get_logout_uri", Token: true},
	"introspect-access-token":           {Command: "introspect_access_token", Token: true},
	"introspect-rpt":                    {Command: "introspect_rpt", Token: true},
	"check-id-token":                    {Command: "check_id_token", Token: true},
	"check-access-token":                {Command: "check_access_token", Token: true},
	"uma-rs-protect":                    {Command: "uma_rs_protect", Token: true},
	"uma-rs-modify":                     {Command: "uma_rs_modify", Token: true},
	"uma-rs-check-access":               {Command: "uma_rs_check_access", Token: true},
	"uma-rp-get-rpt":                    {Command: "uma_rp_get_rpt", Token: true},
	"uma-rp-get-claims-gathering-url":   {Command: "uma_rp_get_claims_gathering_url", Token: true},
	"get-authorization-code":            {Command: "get_authorization_code", Token: true},
	"authorization-code-flow":           {Command: "authorization_code_flow", Token: true},
	"get-request-object-uri":            {Command: "get_request_object_uri", Token: true},
}

// RESTPath returns the path of a command of the socket, which need not exist. register-site answers
// what setup_client does: there is one client for logins and tokens.
func RESTPath(command string) string {
	switch command {
	case "setup_client":
		return "register-site"
	case "id_token_status":
		return "check-id-token"
	case "access_token_status":
		return "check-access-token"
	}
	return ExtensionPath(command)
}
