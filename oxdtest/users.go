// The people who can sign in at the Provider.

package oxdtest

// User is a person who can sign in at the [Provider].
type User struct {
	// Name is typed on the login page. It is also the preferred_username
	// claim unless Claims has one.
	Name string
	// Password is compared byte by byte, in constant time.
	Password string
	// ACRs are the authentication levels that this user can reach; the first
	// is the default. "otp" adds a second page, which asks for the code
	// 000000; every other level needs the password alone. None means "basic".
	ACRs []string
	// Claims go into the ID token and the userinfo answer: email and
	// email_verified with the scope email, everything else with the scope
	// profile. Names that the Provider sets itself (sub, iss, exp, ...) are
	// left out.
	Claims map[string]any
}

// DefaultUsers returns the users of a server that is configured with none:
//
//   - alice, password "alice-secret", role admin, levels basic and otp
//   - bob, password "bob-secret", role viewer, level basic
//   - zoe, password "Zoë", role editor, levels basic and otp, with a name
//     beyond the Basic Multilingual Plane
//
// Every call returns a new copy.
func DefaultUsers() []User {
	return []User{
		{
			Name: "alice", Password: "alice-secret", ACRs: []string{"basic", "otp"},
			Claims: map[string]any{
				"name": "Alice Ångström", "given_name": "Alice", "family_name": "Ångström", "locale": "en-GB",
				"email": "alice@example.com", "email_verified": true,
				"role": []string{"admin"}, "groups": []string{"staff", "admins"},
			},
		},
		{
			Name: "bob", Password: "bob-secret", ACRs: []string{"basic"},
			Claims: map[string]any{
				"name": "Bob Brown", "given_name": "Bob", "family_name": "Brown", "locale": "en-GB",
				"email": "bob@example.com", "email_verified": false,
				"role": []string{"viewer"}, "groups": []string{"staff"},
			},
		},
		{
			Name: "zoe", Password: "Zoë", ACRs: []string{"basic", "otp"},
			Claims: map[string]any{
				"name": "Zoë 李 😀", "given_name": "Zoë", "family_name": "李", "locale": "zh-Hant",
				"email": "zoe@example.com", "email_verified": true,
				"role": []string{"editor"}, "groups": []string{"staff", "editors"},
			},
		},
	}
}
