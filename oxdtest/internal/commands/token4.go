// The protection of the commands of oxd 4.

package commands

import (
	"net/http"
	"slices"
	"strings"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/idp"
)

// checkToken4 checks the token in the header, which belongs to the client of the site: that of the
// command, or of AuthorizationOxdId.
func (x *execution) checkToken4(oxdID string, h http.Header) error {
	header := h.Get("Authorization")
	if header != "" && len(header) < 7 {
		return idp.ErrInternal // it cuts seven characters off, whatever they are
	}
	token := ""
	if header != "" {
		token = strings.TrimSpace(header[7:])
	}
	unknown := error(errUnknownOxdID4)
	if other := h.Get(oxdwire.HeaderAuthorizationOxdID); other != "" {
		oxdID, unknown = other, errAuthOxdID
	}
	switch {
	case oxdID == "":
		return errNoOxdID
	case token == "":
		return errBlankToken4
	}
	x.engine.mu.Lock()
	site := x.engine.sites[oxdID]
	x.engine.mu.Unlock()
	if site == nil {
		return unknown
	}
	m, err := x.engine.op.Connect(x.ctx, site.host)
	if err != nil {
		return err
	}
	protection, err := x.pat(site, site.client)
	if err != nil {
		return err
	}
	var about idp.Introspection
	err = x.engine.op.Introspect(x.ctx, m.Introspection, protection, token, &about)
	switch {
	case err != nil:
		return err
	case !about.Active:
		return errInactive4
	case !slices.Contains(strings.Fields(about.Scope), "oxd"):
		return errNoOxdScope
	case about.ClientID != site.client.ID:
		return errForeign4
	}
	return nil
}
