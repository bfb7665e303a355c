package oxd

// What sets the commands apart when they are sent.

// traits of a command. The zero value is the cautious one and stands for those
// not in the table.
type traits struct {
	// repeatable: sending it twice does no more harm than a token, state or ticket
	// that nobody uses and that expires.
	repeatable bool
	// renewable: makes sense for a site that has just been registered anew.
	renewable bool
	// siteless: has no oxd_id.
	siteless bool
	// unprotected: sent without a protection token.
	unprotected bool
}

func traitsOf(command string) traits { return commandTraits[command] }

var commandTraits = map[string]traits{
	"get_authorization_url": {repeatable: true, renewable: true},
	"get_user_info":         {repeatable: true},
	"get_logout_uri":        {repeatable: true, renewable: true},
	"uma_rs_check_access":   {repeatable: true, renewable: true},
	"get_client_token":      {repeatable: true, siteless: true, unprotected: true},
	"license_status":        {repeatable: true, siteless: true, unprotected: true},

	"introspect_access_token": {repeatable: true},
	"introspect_rpt":          {repeatable: true},
	idTokenCommand:            {repeatable: true},
	accessTokenCommand:        {repeatable: true},
	"get_discovery":           {repeatable: true, siteless: true, unprotected: true},
	"get_jwks":                {repeatable: true, siteless: true, unprotected: true},
	"get_issuer":              {repeatable: true, siteless: true, unprotected: true},

	// Never twice: each makes another client at the provider.
	"register_site": {siteless: true},
	"setup_client":  {siteless: true, unprotected: true},
	// Never twice: it appends.
	"uma_rs_protect": {renewable: true},
	// Never twice, and therefore not here: update_site_registration (a late second
	// one undoes what another has written since), get_tokens_by_code (a provider
	// revokes the tokens of a code it sees twice),
	// get_access_token_by_refresh_token (the token was rotated, and its reuse can
	// end the whole grant), uma_rp_get_rpt (the ticket is used up), remove_site (the
	// second one fails), and uma_rp_get_claims_gathering_url (belongs to that
	// ticket, and leaves behind a state that a login would accept).
}
