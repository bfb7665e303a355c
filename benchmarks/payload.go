package main

// The session every keeper keeps, in three sizes.

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
)

// payload is a size of session: three tokens of so many bytes each.
type payload struct {
	name  string
	token int
}

var payloads = []payload{{"S", 100}, {"M", 600}, {"L", 2000}}

// session is what a login leaves behind, the same for all keepers.
type session struct {
	Subject, Issuer, SID, ACR string
	Name, Email, Username     string
	Created, Expires          int64
	Access, Refresh, IDToken  string
}

// field is one value of a session, for keepers of maps.
type field struct {
	name  string
	value any
}

func (s *session) fields() []field {
	return []field{
		{"sub", s.Subject}, {"iss", s.Issuer}, {"sid", s.SID}, {"acr", s.ACR}, {"name", s.Name}, {"email", s.Email},
		{"preferred_username", s.Username}, {"created", s.Created}, {"expires", s.Expires},
		{"access", s.Access}, {"refresh", s.Refresh}, {"id_token", s.IDToken},
	}
}

// jwt makes up a token in the form of a JWT of size bytes: readable claims, then a signature of 256
// bytes, as RS256 has, or less in small tokens.
func jwt(size int) string {
	signature := base64.RawURLEncoding.EncodeToString(random(min(256, size/4)))
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`))
	var claims strings.Builder
	claims.WriteString(`{"jti":"` + rand.Text() + `"`)
	for i := 0; claims.Len() < size; i++ {
		fmt.Fprintf(&claims, `,"claim_%d":"https://idp.example.org/%s"`, i, rand.Text()[:8])
	}
	body := base64.RawURLEncoding.EncodeToString([]byte(claims.String()))
	left := max(0, size-len(head)-len(signature)-2) / 4 * 4 // whole groups of four are valid base64
	return head + "." + body[:left] + "." + signature
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails since Go 1.24: a broken source ends the process
	return b
}
