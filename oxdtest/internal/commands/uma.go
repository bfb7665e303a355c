// The UMA commands.

package commands

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/idp"
	"example.com/oxdauth/oxdtest/internal/oauth"
)

// protectionAPI finds the authorization server's, and gets the access token for it (PAT).
func (x *execution) protectionAPI() (m *idp.Metadata, token string, err error) {
	if m, err = x.engine.op.ProtectionAPI(x.ctx, x.site.host); err != nil {
		return nil, "", err
	}
	token, err = x.pat(x.site, x.site.client)
	return m, token, err
}

// rsProtect appends: neither duplicates nor earlier rows are looked at.
func rsProtect(x *execution) (any, error) {
	resources := x.params.Resources()
	var own error
	if len(resources) == 0 {
		own = errNoResources
	}
	overwrite := x.v4 && x.params.Flag("overwrite")
	if err := x.bound(true, own); err != nil {
		return nil, err
	}
	m, protection, err := x.protectionAPI()
	if err != nil {
		return nil, err
	}
	if x.v4 {
		if err := makeRoom(x, m, protection, overwrite); err != nil {
			return nil, err
		}
	}
	var rows []resourceRow
	for _, resource := range resources {
		if !resource.Complete {
			return nil, idp.ErrInternal
		}
		for _, c := range resource.Conditions {
			id, err := createResource(x, m, protection, resource.Path, c)
			if err != nil {
				return nil, err
			}
			if !c.Complete {
				return nil, idp.ErrInternal // after the resource has been created
			}
			row := resourceRow{resource.Path, id, c.HTTPMethods, c.Scopes, c.TicketScopes}
			rows = addRow(rows, row)
		}
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	x.site.resources = append(x.site.resources, rows...)
	return oxdIDAnswer{x.site.oxdID}, nil
}

// addRow adds a row. A row of the same path and method list is replaced, and its resource
// forgotten. Where a method is named twice on one path, all rows that have it get the scopes of the
// last.
func addRow(rows []resourceRow, row resourceRow) []resourceRow {
	for i := range rows {
		if rows[i].path != row.path {
			continue
		}
		if slices.Equal(rows[i].methods, row.methods) {
			rows[i] = row
			return rows
		}
		if slices.ContainsFunc(rows[i].methods, func(m string) bool { return slices.Contains(row.methods, m) }) {
			rows[i].scopes, rows[i].ticketScopes = row.scopes, row.ticketScopes
		}
	}
	return append(rows, row)
}

// makeRoom is what oxd 4 does with resources that are protected already.
func makeRoom(x *execution, m *idp.Metadata, protection string, overwrite bool) error {
	x.engine.mu.Lock()
	old := x.site.resources
	x.engine.mu.Unlock()
	if len(old) > 0 && !overwrite {
		return errProtected
	}
	for _, row := range old {
		_, _, err := x.engine.op.Send(x.ctx, http.MethodDelete, strings.TrimSuffix(m.Resources, "/")+"/"+row.resourceID, protection, "")
		if err != nil {
			return err
		}
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	x.site.resources = nil
	return nil
}

// rsModify changes the scopes of one row, here and at the authorization server.
func rsModify(x *execution) (any, error) {
	path, method, scopes := x.params.Text("path"), x.params.Text("http_method"), x.params.List("scopes")
	var own error
	switch {
	case method == "":
		own = errNoMethod
	case path == "":
		own = errNoPath
	case len(scopes) == 0:
		own = oxdwire.Errorf(oxdwire.CodeInvalidUMAScopeParameter, "scopes are not specified")
	}
	if err := x.bound(true, own); err != nil {
		return nil, err
	}
	row, ok := x.row(path, method)
	if !ok {
		return nil, notProtected(path, method)
	}
	m, protection, err := x.protectionAPI()
	if err != nil {
		return nil, err
	}
	body := oxdwire.Marshal(map[string]any{"name": row.path, "resource_scopes": scopes})
	status, _, err := x.engine.op.Send(x.ctx, http.MethodPut, strings.TrimSuffix(m.Resources, "/")+"/"+row.resourceID, protection, body)
	if err != nil || status/100 != 2 {
		return nil, idp.ErrInternal
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	for i := range x.site.resources {
		if x.site.resources[i].resourceID == row.resourceID {
			x.site.resources[i].scopes, x.site.resources[i].ticketScopes = scopes, nil
		}
	}
	return oxdIDAnswer{x.site.oxdID}, nil
}

func notProtected(path, method string) error {
	return oxdwire.Errorf(oxdwire.CodeInvalidRequest, "Resource is not protected with path: "+path+" and httpMethod: "+method+
		". Please protect your resource first with uma_rs_protect command. Check details on https://www.gluu.org/docs-oxd/")
}

func createResource(x *execution, m *idp.Metadata, protection, path string, c oxdwire.Condition) (string, error) {
	body := oxdwire.Marshal(map[string]any{"name": "[" + strings.Join(c.HTTPMethods, ", ") + "] " + path, "resource_scopes": append([]string{}, c.Scopes...)})
	var created struct {
		ID string `json:"_id"`
	}
	if !x.create(m.Resources, protection, body, &created) || created.ID == "" {
		return "", idp.ErrInternal
	}
	return created.ID, nil
}

// create posts body to an endpoint of the protection API and decodes the answer into created. It
// reports whether both succeeded.
func (x *execution) create(endpoint, protection, body string, created any) bool {
	status, answer, err := x.engine.op.Send(x.ctx, http.MethodPost, endpoint, protection, body)
	return err == nil && status/100 == 2 && json.Unmarshal(answer, created) == nil
}

// row finds the first row of this path, whole and ignoring case, and method; oxd 4 takes the last.
func (x *execution) row(path, method string) (resourceRow, bool) {
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	rows := x.site.resources
	if x.v4 {
		rows = slices.Clone(rows)
		slices.Reverse(rows)
	}
	for _, row := range rows {
		if strings.EqualFold(row.path, path) && slices.ContainsFunc(row.methods, func(m string) bool { return strings.EqualFold(m, method) }) {
			return row, true
		}
	}
	return resourceRow{}, false
}

// accessAnswer is the answer of uma_rs_check_access, in oxd's key order.
type accessAnswer struct {
	Access string `json:"access"`
	Ticket any    `json:"ticket"`
	Header any    `json:"www-authenticate_header"`
}

// rsCheckAccess asks the authorization server every time, also about a blank RPT.
func rsCheckAccess(x *execution) (any, error) {
	p := x.params
	rpt, path, method := p.Text("rpt"), p.Text("path"), p.Text("http_method")
	var own error
	switch {
	case method == "":
		own = errNoMethod
	case path == "":
		own = errNoPath
	}
	if err := x.bound(true, own); err != nil {
		return nil, err
	}
	row, ok := x.row(path, method)
	if !ok {
		return nil, notProtected(path, method)
	}
	if scopes := x.params.List("scopes"); x.v4 && len(scopes) > 0 {
		row.scopes = scopes
	}
	status, err := x.introspectRPT(rpt)
	if err != nil {
		return nil, err
	}
	if rpt != "" && status.Active {
		for _, permission := range status.Permissions {
			// A token of the old kind counts for every resource.
			if permission.ResourceID != row.resourceID && (x.v4 || !strings.HasPrefix(rpt, "gat_")) {
				continue
			}
			if slices.ContainsFunc(permission.Scopes, func(s string) bool { return slices.Contains(row.scopes, s) }) {
				return accessAnswer{Access: "granted"}, nil
			}
		}
	}
	ticket, err := registerTicket(x, row)
	if err != nil {
		return nil, err
	}
	header := `UMA realm="rs",as_uri="` + x.site.host.Address + `",error="insufficient_scope",ticket="` + ticket + `"`
	return accessAnswer{"denied", ticket, header}, nil
}

// introspectRPT renews the protection token once when it is refused.
func (x *execution) introspectRPT(rpt string) (*idp.Introspection, error) {
	m, err := x.engine.op.UMA(x.ctx, x.site.host)
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		protection, err := x.pat(x.site, x.site.client)
		if err != nil {
			return nil, err
		}
		status := &idp.Introspection{}
		err = x.engine.op.Introspect(x.ctx, m.Introspection, protection, rpt, status)
		var failure *idp.Failure
		if again || !errors.As(err, &failure) || !slices.Contains([]int{400, 401, 403}, failure.Status) {
			return status, err
		}
		x.engine.mu.Lock()
		delete(x.site.pats, x.site.client.ID)
		x.engine.mu.Unlock()
	}
}

func registerTicket(x *execution, row resourceRow) (string, error) {
	m, protection, err := x.protectionAPI()
	if err != nil {
		return "", err
	}
	scopes := row.ticketScopes
	if len(scopes) == 0 {
		scopes = row.scopes
	}
	body := oxdwire.Marshal(map[string]any{"resource_id": row.resourceID, "resource_scopes": scopes})
	var created struct {
		Ticket string `json:"ticket"`
	}
	if !x.create(m.Permission, protection, body, &created) || created.Ticket == "" {
		return "", idp.ErrInternal
	}
	return created.Ticket, nil
}

// rpGetRPT reports a refusal with no other members than a need_info as one; every other refusal is
// the generic internal error.
func rpGetRPT(x *execution) (any, error) {
	p := x.params
	form := map[string]string{
		"grant_type": oauth.GrantTicket, "ticket": p.Text("ticket"), "claim_token": p.Text("claim_token"), "claim_token_format": p.Text("claim_token_format"),
		"pct": p.Text("pct"), "rpt": p.Text("rpt"), "scope": strings.Join(p.List("scope"), " "),
	}
	p.Text("state") // never looked at
	var own error
	switch {
	case !x.v4:
	case strings.TrimSpace(form["ticket"]) == "":
		own = errNoTicket
	case (form["claim_token"] == "") != (form["claim_token_format"] == ""):
		own = oxdwire.Errorf(oxdwire.CodeInvalidClaimTokenOrClaimTokenForm, "claim_token and claim_token_format have to come together")
	default:
		for name, value := range p.Dict("params") {
			form[name] = value
		}
	}
	if err := x.bound(true, own); err != nil {
		return nil, err
	}
	m, err := x.engine.op.UMA(x.ctx, x.site.host)
	if err != nil {
		return nil, err
	}
	answer, err := x.engine.op.Token(x.ctx, m.Token, x.site.client, form)
	if err != nil {
		return nil, needInfoError(err, x.v4)
	}
	if strings.TrimSpace(answer.AccessToken) == "" {
		return nil, errNoRPT
	}
	protection, err := x.pat(x.site, x.site.client)
	if err != nil {
		return nil, err
	}
	var status idp.Introspection
	if err := x.engine.op.Introspect(x.ctx, m.Introspection, protection, answer.AccessToken, &status); err != nil {
		return nil, needInfoError(err, x.v4) // what introspection refuses is read in the same way
	}
	if !status.Active {
		return nil, errNoRPT
	}
	return struct {
		PCT       *string `json:"pct"`
		Updated   bool    `json:"updated"`
		Token     string  `json:"access_token"`
		TokenType string  `json:"token_type"`
	}{answer.PCT, answer.Upgraded, answer.AccessToken, "Bearer"}, nil
}

func needInfoError(err error, v4 bool) error {
	var failure *idp.Failure
	var raw map[string]json.RawMessage
	if !errors.As(err, &failure) || json.Unmarshal(failure.Body, &raw) != nil || raw == nil {
		return idp.ErrInternal
	}
	details := struct {
		Error          json.RawMessage `json:"error"`
		Ticket         json.RawMessage `json:"ticket"`
		RequiredClaims json.RawMessage `json:"required_claims"`
		RedirectUser   json.RawMessage `json:"redirect_user"`
	}{raw["error"], raw["ticket"], raw["required_claims"], raw["redirect_user"]}
	for key := range raw { // oxd 4 drops the others
		if !v4 && !slices.Contains([]string{"error", "ticket", "required_claims", "redirect_user"}, key) {
			return idp.ErrInternal
		}
	}
	return &oxdwire.Error{Code: oxdwire.CodeNeedInfo, Description: needInfo, Details: details}
}

func rpClaimsGatheringURL(x *execution) (any, error) {
	ticket, redirect := x.params.Text("ticket"), x.params.Text("claims_redirect_uri")
	chosen, more := "", url.Values{}
	if x.v4 {
		chosen = x.params.Text("state")
		for name, value := range x.params.Dict("custom_parameters") {
			more.Set(name, value)
		}
	}
	var own error
	switch {
	case strings.TrimSpace(ticket) == "":
		own = errNoTicket
	case strings.TrimSpace(redirect) == "":
		own = errNoClaimsURI
	}
	if err := x.bound(true, own); err != nil {
		return nil, err
	}
	m, err := x.engine.op.UMA(x.ctx, x.site.host)
	if err != nil {
		return nil, err
	}
	state := x.engine.value(x.engine.states, chosen)
	suffix := ""
	if len(more) > 0 {
		suffix = "&" + more.Encode()
	}
	return struct {
		URL   string `json:"url"`
		State string `json:"state"`
	}{m.ClaimsGather + "?client_id=" + x.site.client.ID + "&ticket=" + ticket + "&claims_redirect_uri=" + redirect + "&state=" + state + suffix, state}, nil
}
