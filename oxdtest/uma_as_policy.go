package oxdtest

import (
	"fmt"
	"maps"
	"slices"
)

// This file holds what decides whether a UMA scope is granted.

// Policy says who is granted a UMA scope. The zero Policy grants it to
// everybody.
type Policy struct {
	// Deny refuses everybody.
	Deny bool
	// Allow names claims of the requesting party and their accepted values.
	// Of each claim named here the party must have one of the values, for
	// example {"role": {"admin"}} or {"preferred_username": {"alice", "bob"}}.
	// Claims come from a pushed ID token, from the claims-gathering page and
	// from the PCT of an earlier grant. A claim that is not known yet leads to
	// need_info, one with another value to a refusal.
	Allow map[string][]string
	// Gather names the claims that the person is asked for on the
	// claims-gathering page when they are not known yet, for example
	// "country". Without an entry in Allow any value will do.
	Gather []string
}

// SetPolicy sets the policy for a UMA scope. It decides over RPTs asked for
// from now on; those already granted stay as they are. As in oxAuth, a scope
// without a policy is granted to everybody, which is the default.
func (p *Provider) SetPolicy(scope string, policy Policy) {
	allow := make(map[string][]string, len(policy.Allow))
	for name, values := range policy.Allow {
		allow[name] = slices.Clone(values)
	}
	policy.Allow, policy.Gather = allow, slices.Clone(policy.Gather)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.policies[scope] = policy
}

// umaClaims are what is known about a requesting party.
type umaClaims map[string][]string

// umaReadClaims turns the claims of a token into text.
func umaReadClaims(token map[string]any) umaClaims {
	claims := umaClaims{}
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

// umaMerge returns the claims of all sources, later ones first in rank.
func umaMerge(sources ...umaClaims) umaClaims {
	all := umaClaims{}
	for _, s := range sources {
		maps.Copy(all, s)
	}
	return all
}

// umaDecision is what the policies of a request come to. Neither denied nor
// lacking anything means granted.
type umaDecision struct {
	denied bool
	push   []string // claims to be pushed by the client
	gather []string // claims to be gathered from the person
}

// decide asks the policy of every scope. It is called with the lock held.
func (p *Provider) decide(permissions []umaPermission, claims umaClaims) umaDecision {
	var d umaDecision
	for _, permission := range permissions {
		for _, scope := range permission.Scopes {
			d.apply(p.policies[scope], claims)
		}
	}
	slices.Sort(d.push)
	d.push = slices.Compact(d.push)
	return d
}

func (d *umaDecision) apply(policy Policy, claims umaClaims) {
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
