package session

// Groups of sessions that end together.

import "example.com/oxdauth/internal/sealed"

// Group names the sessions of one user, or of one session at the provider.
type Group [16]byte

// GroupOfSubject returns the group of all sessions of a user.
func GroupOfSubject(issuer, subject string) Group { return groupOf("subject", issuer, subject) }

// GroupOfSID returns the group of the sessions that belong to one session at the provider.
func GroupOfSID(issuer, sid string) Group { return groupOf("sid", issuer, sid) }

// GroupWithoutSID returns the group of the sessions of a user for which the provider named no
// session of its own.
func GroupWithoutSID(issuer, subject string) Group {
	return groupOf("subject without sid", issuer, subject)
}

func groupOf(kind, issuer, name string) Group {
	return Digest(kind, string(sealed.AppendText(sealed.AppendText(nil, issuer), name)))
}

// Groups returns the groups to which v belongs.
func (v *Identity) Groups() [2]Group {
	second := GroupWithoutSID(v.Issuer, v.Subject)
	if v.SID != "" {
		second = GroupOfSID(v.Issuer, v.SID)
	}
	return [2]Group{GroupOfSubject(v.Issuer, v.Subject), second}
}
