// The people who can sign in.

package provider

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"slices"
	"sync"

	"example.com/oxdauth/oxdtest/internal/pages"
)

// User is a person who can sign in; package oxdtest documents the fields.
type User struct {
	Name     string
	Password string
	ACRs     []string
	Claims   map[string]any
}

// person is a user as the provider keeps it. Claims and userInfoSub are guarded by the lock of
// people, the rest is immutable.
type person struct {
	User
	sub         string
	userInfoSub string // "" means sub
}

func newPerson(u User) *person {
	u.ACRs = slices.Clone(u.ACRs)
	if len(u.ACRs) == 0 {
		u.ACRs = []string{"basic"}
	}
	claims := maps.Clone(u.Claims)
	if claims == nil {
		claims = map[string]any{}
	}
	u.Claims = claims
	// Opaque to clients, and the same in every process, so that a session that outlives the server
	// still belongs to the same subject.
	sum := sha256.Sum256([]byte("oxdtest subject\x00" + u.Name))
	return &person{User: u, sub: base64.RawURLEncoding.EncodeToString(sum[:16])}
}

// acrOTP is the authentication level with a second page.
const acrOTP = "otp"

// pickACR returns the first level asked for that the person can reach. acr_values is a wish (OpenID
// Connect Core section 3.1.2.1): when the person can reach none of them, or none was asked for, it
// is the level of the session, or the default one.
func (u *person) pickACR(asked []string, otpDone bool) string {
	for _, acr := range asked {
		if slices.Contains(u.ACRs, acr) {
			return acr
		}
	}
	if otpDone {
		return acrOTP
	}
	return u.ACRs[0]
}

// people is safe for concurrent use. The set of people is fixed.
type people struct {
	byName map[string]*person
	names  []string   // in the order given
	mu     sync.Mutex // guards what person says
}

func newPeople(users []User) *people {
	p := &people{byName: make(map[string]*person, len(users))}
	for _, u := range users {
		if _, dup := p.byName[u.Name]; !dup {
			p.names = append(p.names, u.Name)
		}
		p.byName[u.Name] = newPerson(u)
	}
	return p
}

// mustGet is for tests, where an unknown name is a mistake.
func (p *people) mustGet(name string) *person {
	u := p.byName[name]
	if u == nil {
		panic("oxdtest: there is no user " + name)
	}
	return u
}

// setClaim sets a claim, or removes it when the value is nil.
func (p *people) setClaim(user, name string, value any) {
	u := p.mustGet(user)
	p.mu.Lock()
	defer p.mu.Unlock()
	if value == nil {
		delete(u.Claims, name)
		return
	}
	u.Claims[name] = value
}

func (p *people) setUserInfoSub(user, sub string) {
	u := p.mustGet(user)
	p.mu.Lock()
	defer p.mu.Unlock()
	u.userInfoSub = sub
}

// ownClaims are set by the provider and never taken from User.Claims.
var ownClaims = []string{
	"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "acr", "amr", "auth_time",
	"azp", "at_hash", "c_hash", "sid", "padding",
}

// claims returns the claims of the user that the scopes release.
func (p *people) claims(user string, scopes []string) map[string]any {
	u := p.byName[user]
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]any{}
	profile, email := slices.Contains(scopes, "profile"), slices.Contains(scopes, "email")
	if profile {
		out["preferred_username"] = u.Name
	}
	for name, value := range u.Claims {
		released := profile
		if name == "email" || name == "email_verified" {
			released = email
		}
		if released && !slices.Contains(ownClaims, name) {
			out[name] = value
		}
	}
	return out
}

// userInfoSub returns the subject of userinfo answers.
func (p *people) userInfoSub(user string) string {
	u := p.byName[user]
	p.mu.Lock()
	defer p.mu.Unlock()
	if u.userInfoSub != "" {
		return u.userInfoSub
	}
	return u.sub
}

// acrs returns the levels that anybody can reach.
func (p *people) acrs() []string {
	var acrs []string
	for _, name := range p.names {
		for _, acr := range p.byName[name].ACRs {
			if !slices.Contains(acrs, acr) {
				acrs = append(acrs, acr)
			}
		}
	}
	return acrs
}

// maxHints is up to how many users the login page names.
const maxHints = 5

func (p *people) hints() []pages.Hint {
	if len(p.names) > maxHints {
		return nil
	}
	var hints []pages.Hint
	for _, name := range p.names {
		hints = append(hints, pages.Hint{Name: name, Password: p.byName[name].Password})
	}
	return hints
}

// passwordMatches takes the same time for unknown users and wrong passwords.
func (p *people) passwordMatches(name, password string) bool {
	user, known := p.byName[name]
	want := ""
	if known {
		want = user.Password
	}
	a, b := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && known
}
