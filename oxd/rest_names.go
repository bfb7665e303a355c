package oxd

// What oxd 4 calls or wraps differently: parameters on the way there, answers on
// the way back.

import (
	"encoding/json"
	"slices"

	"example.com/oxdauth/internal/oxdwire"
)

// restParams renames the parameters of a registration. oxd 4 ignores the names
// of 3.1 in silence; all other commands have kept theirs.
func restParams(command string, params json.RawMessage) ([]byte, error) {
	switch command {
	case "register_site", setupCommand, updateCommand, updateCommandLater:
	default:
		return params, nil
	}
	var o object
	if err := json.Unmarshal(params, &o); err != nil || o == nil {
		return nil, errNotObject
	}
	// The first redirect URI is the one for logins.
	if uri := o.text(oxdwire.Param3RedirectURI); uri != "" {
		others := slices.DeleteFunc(o.values(oxdwire.Param4RedirectURIs), func(s string) bool { return s == uri })
		o.put(oxdwire.Param4RedirectURIs, append([]string{uri}, others...))
	}
	if uri := o.text(oxdwire.Param3PostLogout); uri != "" {
		o.put(oxdwire.Param4PostLogouts, []string{uri})
	}
	if o.boolean(oxdwire.Param3Trusted) { // 3.1 makes the same of it
		o.put(oxdwire.Param4Attributes, map[string]string{oxdwire.AttributeTrusted: "true"})
	}
	for _, name := range []string{
		oxdwire.Param3RedirectURI, oxdwire.Param3PostLogout, oxdwire.Param3Trusted, oxdwire.Param3LogoutURIs,
	} {
		delete(o, name)
	}
	return encode(o)
}

// put sets a value made of strings, which always can be encoded.
func (o object) put(name string, value any) { o[name], _ = encode(value) }

// restAnswer brings userinfo into the shape of 3.1, where the claims have a name of
// their own. oxd 4 passes on what the provider said, its errors as well, both
// with HTTP 200; as in 3.1, such an error has no claims.
func restAnswer(command string, o object, body []byte) json.RawMessage {
	if command != "get_user_info" {
		return body
	}
	if o.text("error") != "" && o.text("sub") == "" {
		body = []byte("{}")
	}
	return slices.Concat([]byte(`{"claims":`), body, []byte("}"))
}
