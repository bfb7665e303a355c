// Commands, parameters and answers.

package oxdwire_test

import (
	"net/http"
	"testing"

	"example.com/oxdauth/internal/oxdwire"
	"github.com/stretchr/testify/assert"
)

func TestParseCommandIsAsStrictAsOxd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body, command, raw string
		ok                 bool
	}{
		{`{"command":"X_y","params":{}}`, "x_y", "{}", true},
		{`{"params":{"a":1}} and more`, "", `{"a":1}`, true},
		{`{"command":7}`, "", "", true},
		{`{"command":"x","params":{},"id":1}`, "", "", false},
		{`[]`, "", "", false},
		{`null`, "", "", false},
		{`{`, "", "", false},
	} {
		command, params, ok := oxdwire.ParseCommand(c.body)
		assert.Equal(t, c.ok, ok, c.body)
		if ok {
			assert.Equal(t, c.command, command, c.body)
			assert.Equal(t, c.raw, string(params.Raw()), c.body)
		}
	}
}

func TestParamsAreCoerced(t *testing.T) {
	t.Parallel()
	p := oxdwire.NewParams(`{"n":12,"b":true,"z":null,"l":["a",1,null],"d":{"k":2},"f":"true",
		"ms":1500000000123,"s":1500000000,"iso":"2017-07-14T02:40:00Z","day":"2017-07-14"}`)
	assert.Equal(t, "12", p.Text("n"))
	assert.Equal(t, "true", p.Text("b"))
	assert.Empty(t, p.Text("z"))
	assert.Empty(t, p.Text("absent"))
	assert.Equal(t, []string{"a", "1", ""}, p.List("l"))
	assert.Nil(t, p.List("absent"))
	assert.Equal(t, map[string]string{"k": "2"}, p.Dict("d"))
	assert.True(t, p.Flag("f"))
	assert.False(t, p.Flag("absent"))
	for _, name := range []string{"ms", "s", "iso"} {
		assert.EqualValues(t, 1500000000, p.Date(name), name)
	}
	assert.EqualValues(t, 1499990400, p.Date("day"))
	assert.False(t, p.Malformed())
}

func TestParamsOfTheWrongTypeAreMalformed(t *testing.T) {
	t.Parallel()
	const text = `{"l":["a",{}],"d":{"k":[]},"x":"y","r":[{"path":"/","other":1}],"o":{}}`
	for name, read := range map[string]func(*oxdwire.Params){
		"an object for text":     func(p *oxdwire.Params) { p.Text("o") },
		"text for a list":        func(p *oxdwire.Params) { p.List("x") },
		"an object in a list":    func(p *oxdwire.Params) { p.List("l") },
		"a list in an object":    func(p *oxdwire.Params) { p.Dict("d") },
		"a flag that is neither": func(p *oxdwire.Params) { p.Flag("x") },
		"a date that is none":    func(p *oxdwire.Params) { p.Date("x") },
	} {
		p := oxdwire.NewParams(text)
		read(p)
		assert.True(t, p.Malformed(), name)
	}
	p := oxdwire.NewParams(text)
	assert.Empty(t, p.Peek("o"))
	assert.False(t, p.Malformed(), "Peek has no effect")
	p = oxdwire.NewParams(`{"resources":[{"path":"/","other":1}]}`)
	p.Resources()
	assert.True(t, p.Malformed(), "unknown members of a resource")
}

func TestResourcesSayWhatIsMissing(t *testing.T) {
	t.Parallel()
	p := oxdwire.NewParams(`{"resources":[{"path":"/a"},{"path":"/b","conditions":[{"scopes":["s"]},{"httpMethods":[],"ticketScopes":["t"]}]}]}`)
	assert.Equal(t, []oxdwire.Resource{
		{Path: "/a"},
		{Path: "/b", Complete: true, Conditions: []oxdwire.Condition{
			{Scopes: []string{"s"}},
			{HTTPMethods: []string{}, TicketScopes: []string{"t"}, Complete: true},
		}},
	}, p.Resources())
	assert.False(t, p.Malformed())
}

func TestRegistrationHasTheNamesOfItsVersion(t *testing.T) {
	t.Parallel()
	p := oxdwire.NewParams(`{"authorization_redirect_uri":"https://a.example/3","redirect_uris":["https://a.example/4","https://a.example/5"],
		"post_logout_redirect_uri":"https://a.example/out3","post_logout_redirect_uris":["https://a.example/out4"],
		"trusted_client":true,"op_configuration_endpoint":"https://op.example/t/.well-known/openid-configuration"}`)
	r := p.Registration()
	assert.Equal(t, "https://a.example/3", r.RedirectURI)
	assert.Equal(t, "https://a.example/out3", r.PostLogout)
	assert.True(t, r.Trusted)
	assert.Empty(t, r.OPHost)
	r = p.Registration4()
	assert.Equal(t, "https://a.example/4", r.RedirectURI)
	assert.Equal(t, []string{"https://a.example/5"}, r.RedirectURIs)
	assert.Equal(t, "https://a.example/out4", r.PostLogout)
	assert.False(t, r.Trusted)
	assert.Equal(t, "https://op.example/t", r.OPHost)
	assert.Equal(t, "https://a.example/3", p.Update().RedirectURI)
}

func TestMarshalEscapesNoMoreThanNeeded(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"<&>\u00e9\/"`:  `"<&>é/"`,
		`"\ud83d\ude00"`: `"😀"`,
		`"\u0022\u001f"`: `"\u0022\u001F"`,
		`"\\u00e9"`:      `"\\u00e9"`,
		`"\ud83dx"`:      "\"\uFDD0x\"",
	} {
		fields, ok := oxdwire.DecodeObject(`{"a":` + in + `}`)
		assert.True(t, ok)
		assert.Equal(t, `{"a":`+want+`}`, oxdwire.Marshal(fields))
	}
	assert.Equal(t, oxdwire.InternalError, oxdwire.Marshal(func() {}))
}

func TestAnswersHaveTheShapesOfTheirVersion(t *testing.T) {
	t.Parallel()
	assert.Equal(t, `{"status":"ok","data":{"a":1}}`, oxdwire.Answer(map[string]int{"a": 1}))
	refusal := &oxdwire.Error{Code: oxdwire.CodeBlankAccessToken, Description: "d"}
	assert.Equal(t, `{"status":"error","data":{"error":"blank_access_token","details":null,"error_description":"d"}}`, refusal.Answer())
	status, body := refusal.RESTAnswer()
	assert.Equal(t, http.StatusForbidden, status)
	assert.Equal(t, `{"error":"blank_access_token","error_description":"d","details":null,"reason":null}`, body)
	for _, c := range []struct {
		err    oxdwire.Error
		status int
	}{
		{oxdwire.Error{Code: oxdwire.CodeInvalidOxdID}, http.StatusBadRequest},
		{oxdwire.Error{Code: oxdwire.CodeInternalError}, http.StatusInternalServerError},
		{oxdwire.Error{Code: oxdwire.CodeNeedInfo, Details: map[string]string{"error": "need_info"}}, http.StatusForbidden},
		{oxdwire.Error{Code: oxdwire.CodeNeedInfo, Details: map[string]string{"error": "invalid_ticket"}}, http.StatusBadRequest},
	} {
		status, _ := c.err.RESTAnswer()
		assert.Equal(t, c.status, status, c.err)
	}
}
