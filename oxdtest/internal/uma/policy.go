// What decides whether a UMA scope is granted.

package uma

import (
	"fmt"
	"maps"
	"slices"
)

// Policy is who is granted a scope; package oxdtest documents the fields.
type Policy struct {
	Deny   bool
	Allow  map[string][]string
	Gather []string
}

// SetPolicy sets the policy for a scope. It decides over tokens asked for from now on.
func (s *Server) SetPolicy(scope string, policy Policy) {
	allow := make(map[string][]string, len(policy.Allow))
	for name, values := range policy.Allow {
		allow[name] = slices.Clone(values)
	}
	policy.Allow, policy.Gather = allow, slices.Clone(policy.Gather)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.policies[scope] = policy
}

// partyClaims are the known claims of a requesting party, by name.
type partyClaims map[string][]string

// readClaims turns the claims of a token into text.
func readClaims(token map[string]any) partyClaims {
	claims := partyClaims{}
	for name, value := range token {
		switch v := value.(type) {
		case nil:
		case []any:
			for _, element := range v {
				claims[name] = append(claims[name], fmt.Sprint(element))
			}
		default:
			claims[name] = []string{fmt.Sprint(v)}
		}
	}
	return claims
}

// merge returns the claims of all sources, of which later ones win.
func merge(sources ...partyClaims) partyClaims {
	all := partyClaims{}
	for _, source := range sources {
		maps.Copy(all, source)
	}
	return all
}

// verdict is the outcome of the policies of a request. Neither denied nor
// lacking anything means granted.
type verdict struct {
	denied bool
	push   []string // claims to be pushed by the client
	gather []string // claims to be gathered from the person
}

// decide asks the policy of every scope. It is called with the lock held.
func (s *Server) decide(permissions []permission, claims partyClaims) verdict {
	var d verdict
	for _, p := range permissions {
		for _, scope := range p.Scopes {
			d.apply(s.policies[scope], claims)
		}
	}
	slices.Sort(d.push)
	d.push = slices.Compact(d.push)
	return d
}

func (d *verdict) apply(policy Policy, claims partyClaims) {
	d.denied = d.denied || policy.Deny
	for _, name := range policy.Gather {
		if _, known := claims[name]; !known && !slices.Contains(d.gather, name) {
			d.gather = append(d.gather, name)
		}
	}
	for name, accepted := range policy.Allow {
		values, known := claims[name]
		switch {
		case known:
			fits := func(v string) bool { return slices.Contains(accepted, v) }
			d.denied = d.denied || !slices.ContainsFunc(values, fits)
		case !slices.Contains(policy.Gather, name):
			d.push = append(d.push, name)
		}
	}
}
