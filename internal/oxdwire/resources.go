// The parameter of uma_rs_protect.

package oxdwire

import (
	"encoding/json"
	"slices"
)

// Resource is one element of "resources".
type Resource struct {
	Path       string
	Conditions []Condition
	Complete   bool // conditions are there
}

// Condition is the scopes that some methods need.
type Condition struct {
	HTTPMethods, Scopes, TicketScopes []string
	Complete                          bool // HTTPMethods are there
}

// Resources returns the resources to protect. Unlike everywhere else, unknown members are
// malformed.
func (p *Params) Resources() []Resource {
	var out []Resource
	for _, raw := range p.objects(p.fields["resources"]) {
		r := Resource{Complete: raw["conditions"] != nil && string(raw["conditions"]) != "null"}
		p.known(raw, "path", "conditions")
		r.Path = p.text(raw["path"])
		for _, raw := range p.objects(raw["conditions"]) {
			p.known(raw, "httpMethods", "scopes", "ticketScopes")
			c := Condition{
				HTTPMethods: p.texts(raw["httpMethods"]), Scopes: p.texts(raw["scopes"]), TicketScopes: p.texts(raw["ticketScopes"]),
			}
			c.Complete = c.HTTPMethods != nil
			r.Conditions = append(r.Conditions, c)
		}
		out = append(out, r)
	}
	return out
}

func (p *Params) objects(raw json.RawMessage) []map[string]json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var out []map[string]json.RawMessage
	if json.Unmarshal(raw, &out) != nil {
		p.malformed = true
	}
	return out
}

func (p *Params) known(fields map[string]json.RawMessage, names ...string) {
	for key := range fields {
		p.malformed = p.malformed || !slices.Contains(names, key)
	}
}
