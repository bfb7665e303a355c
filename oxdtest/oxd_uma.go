package oxdtest

// The UMA commands.

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// protectionAPI finds the authorization server's, and gets the access token for it (PAT).
func (x *execution) protectionAPI() (m *opMetadata, token string, err error) {
	if m, err = x.engine.op.umaMetadataAsIs(x.ctx, x.site.opHost); err != nil {
		return nil, "", err
	}
	token, err = x.pat(x.site, x.site.client)
	return m, token, err
}

// rsProtect appends: neither duplicates nor earlier rows are looked at.
func (x *execution) rsProtect() (any, error) {
	resources := x.params.resources()
	var own error
	if len(resources) == 0 {
		own = errNoResources
	}
	overwrite := x.v4 && x.params.flag("overwrite")
	if err := x.bound(true, own); err != nil {
		return nil, err
	}
	m, protection, err := x.protectionAPI()
	if err != nil {
		return nil, err
	}
	if x.v4 {
		if err := x.makeRoom(m, protection, overwrite); err != nil {
			return nil, err
		}
	}
	var rows []umaRow
	for _, resource := range resources {
		if !resource.complete {
			return nil, errInternal
		}
		for _, c := range resource.conditions {
			id, err := x.createResource(m, protection, resource.path, c)
			if err != nil {
				return nil, err
			}
			if !c.complete {
				return nil, errInternal // after the resource has been created
			}
			row := umaRow{resource.path, id, c.httpMethods, c.scopes, c.ticketScopes}
			rows = addRow(rows, row)
		}
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	x.site.resources = append(x.site.resources, rows...)
	return oxdIDAnswer{x.site.oxdID}, nil
}

// addRow replaces a row of the same path and method list, orphaning its resource, and gives a method named twice on one path
// the scopes of the last condition in all rows that have it.
func addRow(rows []umaRow, row umaRow) []umaRow {
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

var errProtected = Errorf("uma_protection_exists", "UMA protection already exists for this site. Use overwrite to replace it.")

// makeRoom is what oxd 4 does with resources that are protected already.
func (x *execution) makeRoom(m *opMetadata, protection string, overwrite bool) error {
	x.engine.mu.Lock()
	old := x.site.resources
	x.engine.mu.Unlock()
	if len(old) > 0 && !overwrite {
		return errProtected
	}
	for _, row := range old {
		_, _, err := x.engine.op.do(x.ctx, http.MethodDelete, strings.TrimSuffix(m.Resources, "/")+"/"+row.resourceID, "", "", bearer(protection))
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
func (x *execution) rsModify() (any, error) {
	path, method, scopes := x.params.str("path"), x.params.str("http_method"), x.params.list("scopes")
	var own error
	switch {
	case method == "":
		own = errNoMethod
	case path == "":
		own = errNoPath
	case len(scopes) == 0:
		own = Errorf("invalid_uma_scope_parameter", "scopes are not specified")
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
	body := marshal(map[string]any{"name": row.path, "resource_scopes": scopes})
	status, _, err := x.engine.op.do(x.ctx, http.MethodPut, strings.TrimSuffix(m.Resources, "/")+"/"+row.resourceID, "application/json", body, bearer(protection))
	if err != nil || status/100 != 2 {
		return nil, errInternal
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
	return Errorf("invalid_request", "Resource is not protected with path: "+path+" and httpMethod: "+method+
		". Please protect your resource first with uma_rs_protect command. Check details on https://www.gluu.org/docs-oxd/")
}

func (x *execution) createResource(m *opMetadata, protection, path string, c umaCondition) (string, error) {
	body := marshal(map[string]any{"name": "[" + strings.Join(c.httpMethods, ", ") + "] " + path, "resource_scopes": append([]string{}, c.scopes...)})
	status, answer, err := x.engine.op.do(x.ctx, http.MethodPost, m.Resources, "application/json", body, bearer(protection))
	var created struct {
		ID string `json:"_id"`
	}
	if err != nil || status/100 != 2 || json.Unmarshal(answer, &created) != nil || created.ID == "" {
		return "", errInternal
	}
	return created.ID, nil
}

// row finds the first row of this path, whole and ignoring case, and method; oxd 4 takes the last.
func (x *execution) row(path, method string) (umaRow, bool) {
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
	return umaRow{}, false
}

// accessAnswer is the answer of uma_rs_check_access, in oxd's key order.
type accessAnswer struct {
	Access string `json:"access"`
	Ticket any    `json:"ticket"`
	Header any    `json:"www-authenticate_header"`
}

// rsCheckAccess asks the authorization server every time, also about a blank RPT.
func (x *execution) rsCheckAccess() (any, error) {
	p := x.params
	rpt, path, method := p.str("rpt"), p.str("path"), p.str("http_method")
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
	if scopes := x.params.list("scopes"); x.v4 && len(scopes) > 0 {
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
	ticket, err := x.registerTicket(row)
	if err != nil {
		return nil, err
	}
	header := `UMA realm="rs",as_uri="` + x.site.opHost + `",error="insufficient_scope",ticket="` + ticket + `"`
	return accessAnswer{"denied", ticket, header}, nil
}

// introspectRPT renews the protection token once when it is refused.
func (x *execution) introspectRPT(rpt string) (*introspection, error) {
	m, err := x.engine.op.umaMetadata(x.ctx, x.site.opHost, x.site.discoveryPath)
	if err != nil {
		return nil, err
	}
	for again := false; ; again = true {
		protection, err := x.pat(x.site, x.site.client)
		if err != nil {
			return nil, err
		}
		status, err := x.engine.op.introspect(x.ctx, m.Introspection, protection, rpt)
		var failure *opFailure
		if again || !errors.As(err, &failure) || !slices.Contains([]int{400, 401, 403}, failure.status) {
			return status, err
		}
		x.engine.mu.Lock()
		delete(x.site.pats, x.site.client.id)
		x.engine.mu.Unlock()
	}
}

func (x *execution) registerTicket(row umaRow) (string, error) {
	m, protection, err := x.protectionAPI()
	if err != nil {
		return "", err
	}
	scopes := row.ticketScopes
	if len(scopes) == 0 {
		scopes = row.scopes
	}
	body := marshal(map[string]any{"resource_id": row.resourceID, "resource_scopes": scopes})
	status, answer, err := x.engine.op.do(x.ctx, http.MethodPost, m.Permission, "application/json", body, bearer(protection))
	var created struct {
		Ticket string `json:"ticket"`
	}
	if err != nil || status/100 != 2 || json.Unmarshal(answer, &created) != nil || created.Ticket == "" {
		return "", errInternal
	}
	return created.Ticket, nil
}

// rpGetRPT reports as need_info what parses as nothing else; every other refusal is the generic internal error.
func (x *execution) rpGetRPT() (any, error) {
	p := x.params
	form := map[string]string{
		"grant_type": umaGrantTicket, "ticket": p.str("ticket"), "claim_token": p.str("claim_token"), "claim_token_format": p.str("claim_token_format"),
		"pct": p.str("pct"), "rpt": p.str("rpt"), "scope": strings.Join(p.list("scope"), " "),
	}
	p.str("state") // never looked at
	var own error
	switch {
	case !x.v4:
	case strings.TrimSpace(form["ticket"]) == "":
		own = errNoTicket
	case (form["claim_token"] == "") != (form["claim_token_format"] == ""):
		own = Errorf("invalid_claim_token_or_claim_token_form", "claim_token and claim_token_format have to come together")
	default:
		for name, value := range p.dict("params") {
			form[name] = value
		}
	}
	if err := x.bound(true, own); err != nil {
		return nil, err
	}
	m, err := x.engine.op.umaMetadata(x.ctx, x.site.opHost, x.site.discoveryPath)
	if err != nil {
		return nil, err
	}
	answer, err := x.engine.op.token(x.ctx, m.Token, x.site.client, form)
	if err != nil {
		return nil, x.needInfoError(err)
	}
	if strings.TrimSpace(answer.AccessToken) == "" {
		return nil, errNoRPT
	}
	protection, err := x.pat(x.site, x.site.client)
	if err != nil {
		return nil, err
	}
	status, err := x.engine.op.introspect(x.ctx, m.Introspection, protection, answer.AccessToken)
	if err != nil {
		return nil, x.needInfoError(err) // what introspection refuses is read in the same way
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

func (x *execution) needInfoError(err error) error {
	var failure *opFailure
	var raw map[string]json.RawMessage
	if !errors.As(err, &failure) || json.Unmarshal(failure.body, &raw) != nil || raw == nil {
		return errInternal
	}
	details := struct {
		Error          json.RawMessage `json:"error"`
		Ticket         json.RawMessage `json:"ticket"`
		RequiredClaims json.RawMessage `json:"required_claims"`
		RedirectUser   json.RawMessage `json:"redirect_user"`
	}{raw["error"], raw["ticket"], raw["required_claims"], raw["redirect_user"]}
	for key := range raw { // oxd 4 drops the others
		if !x.v4 && !slices.Contains([]string{"error", "ticket", "required_claims", "redirect_user"}, key) {
			return errInternal
		}
	}
	return &commandError{code: "need_info", description: needInfo, details: details}
}

func (x *execution) rpClaimsGatheringURL() (any, error) {
	ticket, redirect := x.params.str("ticket"), x.params.str("claims_redirect_uri")
	chosen, more := "", url.Values{}
	if x.v4 {
		chosen = x.params.str("state")
		for name, value := range x.params.dict("custom_parameters") {
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
	m, err := x.engine.op.umaMetadata(x.ctx, x.site.opHost, x.site.discoveryPath)
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
	}{m.ClaimsGather + "?client_id=" + x.site.client.id + "&ticket=" + ticket + "&claims_redirect_uri=" + redirect + "&state=" + state + suffix, state}, nil
}
