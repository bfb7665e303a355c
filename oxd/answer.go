package oxd

// Reading refusals and claims out of answers.

import "encoding/json"

func newError(command string, resp *Response) *Error {
	var o object
	_ = o.UnmarshalJSON(resp.Data) // a nil object reads as empty
	e := &Error{
		Command:     command,
		Code:        Code(o.text("error")),
		Description: o.text("error_description"),
		HTTPStatus:  resp.HTTPStatus,
	}
	if e.Code == CodeNeedInfo {
		if e.NeedInfo = newNeedInfo(o["details"]); e.NeedInfo == nil {
			e.NeedInfo = newNeedInfo(resp.Data) // oxd 4 sends the details alone
		}
	}
	return e
}

// newNeedInfo returns nil for details nobody can act on. oxd labels other errors
// of the authorization server need_info as well, if they consist of a code only.
func newNeedInfo(details json.RawMessage) *NeedInfo {
	var o object
	if o.UnmarshalJSON(details) != nil {
		return nil
	}
	n := &NeedInfo{Code: o.text("error"), Ticket: o.secret("ticket"), RedirectUser: o.link("redirect_user")}
	if Code(n.Code) != CodeNeedInfo || n.Ticket.IsZero() {
		return nil
	}
	var claims []object
	_ = json.Unmarshal(o["required_claims"], &claims) // without them there is still the redirect
	for _, claim := range claims {
		n.RequiredClaims = append(n.RequiredClaims, RequiredClaim{
			Name:              claim.text("name"),
			FriendlyName:      claim.text("friendly_name"),
			ClaimType:         claim.text("claim_type"),
			Issuers:           claim.list("issuer"),
			ClaimTokenFormats: claim.list("claim_token_format"),
		})
	}
	return n
}

func (o object) claims(name string) (Claims, error) {
	var claims Claims
	if raw := o[name]; len(raw) > 0 {
		if err := json.Unmarshal(raw, &claims); err != nil {
			return nil, err
		}
	}
	return claims, nil
}
