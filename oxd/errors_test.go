package oxd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusing answers every command with an error.
func refusing(data string) scripted {
	return func(context.Context, *oxd.Request) (*oxd.Response, error) {
		return &oxd.Response{Status: "error", Data: json.RawMessage(data)}, nil
	}
}

func TestRefusalsAreTyped(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, data string
		code       oxd.Code
		desc       string
		is         []error
		isNot      []error
		text       string
	}{
		{"state", `{"error":"bad_request","details":null,"error_description":"'state' is not registered."}`,
			oxd.CodeBadRequest, "'state' is not registered.",
			[]error{oxd.CodeBadRequest, oxd.ErrStateNotRegistered},
			[]error{oxd.ErrUnavailable, oxd.ErrResourceNotProtected, oxd.CodeInternalError},
			"oxd: get_tokens_by_code: bad_request: 'state' is not registered"},
		{"empty state", `{"error":"bad_request","error_description":"'state' is empty or not specified."}`,
			oxd.CodeBadRequest, "'state' is empty or not specified.",
			[]error{oxd.CodeBadRequest}, []error{oxd.ErrStateNotRegistered},
			"oxd: get_tokens_by_code: bad_request: 'state' is empty or not specified"},
		{"resource", `{"error":"invalid_request","error_description":"Resource is not protected with path: /secret and httpMethod: GET. Please"}`,
			oxd.CodeInvalidRequest, "Resource is not protected with path: /secret and httpMethod: GET. Please",
			[]error{oxd.ErrResourceNotProtected}, []error{oxd.ErrStateNotRegistered},
			"oxd: get_tokens_by_code: invalid_request: Resource is not protected"},
		{"that description under another code", `{"error":"internal_error","error_description":"'state' is not registered."}`,
			oxd.CodeInternalError, "'state' is not registered.", nil, []error{oxd.ErrStateNotRegistered}, ""},
		{"unexplained", `{"error":"internal_error","error_description":"Unknown internal server error occurs."}`,
			oxd.CodeInternalError, "Unknown internal server error occurs.", []error{oxd.CodeInternalError}, []error{oxd.ErrUnavailable},
			"oxd: get_tokens_by_code: internal_error"},
		{"of a later version", `{"error":"http_status_400","error_description":"{\"code\":\"the-code\"}"}`,
			"http_status_400", `{"code":"the-code"}`, nil, nil, "oxd: get_tokens_by_code: http_status_400"},
		{"not a code", `{"error":"bad\nthing the-code","error_description":"the-code"}`,
			"bad\nthing the-code", "the-code", nil, nil, "oxd: get_tokens_by_code: unreadable error code"},
		{"endless code", `{"error":"` + strings.Repeat("x", 65) + `"}`, oxd.Code(strings.Repeat("x", 65)), "", nil, nil, "oxd: get_tokens_by_code: unreadable error code"},
		{"nothing", `null`, "", "", nil, []error{oxd.ErrStateNotRegistered}, "oxd: get_tokens_by_code: unreadable error code"},
		{"a list", `[]`, "", "", nil, nil, "oxd: get_tokens_by_code: unreadable error code"},
		{"numbers", `{"error":5,"error_description":6}`, "5", "6", nil, nil, "oxd: get_tokens_by_code: 5"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := newClient(t, refusing(tc.data), oxd.Site{OxdID: "x"}).TokensByCode(t.Context(), "the-code", "the-state")
			var e *oxd.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, "get_tokens_by_code", e.Command)
			assert.Equal(t, tc.code, e.Code)
			assert.Equal(t, tc.desc, e.Description)
			assert.Nil(t, e.NeedInfo)
			for _, target := range tc.is {
				assert.ErrorIs(t, err, target)
			}
			for _, target := range tc.isNot {
				assert.NotErrorIs(t, err, target)
			}
			if tc.text != "" {
				assert.Equal(t, tc.text, err.Error())
			}
			assert.NotContains(t, err.Error(), "the-code")
			assert.NotContains(t, err.Error(), "/secret")
		})
	}
	assert.Equal(t, "oxd: bad_request: 'state' is not registered", oxd.ErrStateNotRegistered.Error())
}

func TestInternalErrorOfUMACommandsComesWithAHint(t *testing.T) {
	t.Parallel()
	c := newClient(t, refusing(`{"error":"internal_error","error_description":"Unknown internal server error occurs."}`), oxd.Site{OxdID: "x"})
	_, err := c.RPT(t.Context(), oxd.RPTParams{Ticket: secret("t")})
	require.ErrorContains(t, err, "uma_protection")
}

func TestNeedInfoIsReadOnlyWhenItCanBeActedOn(t *testing.T) {
	t.Parallel()
	const claim = `{"claim_token_format":["f"],"claim_type":"string","friendly_name":"country","issuer":["i"],"name":"country"}`
	for _, tc := range []struct {
		name, details string
		want          *oxd.NeedInfo
	}{
		{"everything", `{"error":"need_info","ticket":"new","required_claims":[` + claim + `],"redirect_user":"https://idp.example.org/gather?ticket=new"}`,
			&oxd.NeedInfo{Code: "need_info", RedirectUser: "https://idp.example.org/gather?ticket=new", RequiredClaims: []oxd.RequiredClaim{
				{Name: "country", FriendlyName: "country", ClaimType: "string", Issuers: []string{"i"}, ClaimTokenFormats: []string{"f"}},
			}}},
		{"no claims", `{"error":"need_info","ticket":"new","required_claims":null,"redirect_user":null}`, &oxd.NeedInfo{Code: "need_info"}},
		{"claims of another kind", `{"error":"need_info","ticket":"new","required_claims":"x"}`, &oxd.NeedInfo{Code: "need_info"}},
		{"redirect to elsewhere", `{"error":"need_info","ticket":"new","redirect_user":"javascript:alert(1)"}`, &oxd.NeedInfo{Code: "need_info"}},
		{"another error", `{"error":"invalid_grant","ticket":"new"}`, nil},
		{"no ticket", `{"error":"need_info","ticket":null}`, nil},
		{"empty ticket", `{"error":"need_info","ticket":""}`, nil},
		{"null", `null`, nil},
		{"text", `"need_info"`, nil},
		{"list", `[]`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, refusing(`{"error":"need_info","error_description":"d","details":`+tc.details+`}`), oxd.Site{OxdID: "x"})
			_, err := c.RPT(t.Context(), oxd.RPTParams{Ticket: secret("old")})
			var e *oxd.Error
			require.ErrorAs(t, err, &e)
			require.ErrorIs(t, err, oxd.CodeNeedInfo)
			if tc.want == nil {
				assert.Nil(t, e.NeedInfo)
				return
			}
			require.NotNil(t, e.NeedInfo)
			assert.Equal(t, "new", e.NeedInfo.Ticket.Reveal())
			tc.want.Ticket = e.NeedInfo.Ticket
			assert.Equal(t, tc.want, e.NeedInfo)
		})
	}
	c := newClient(t, refusing(`{"error":"bad_request","details":{"error":"need_info","ticket":"t"}}`), oxd.Site{OxdID: "x"})
	_, err := c.RPT(t.Context(), oxd.RPTParams{Ticket: secret("old")})
	var e *oxd.Error
	require.ErrorAs(t, err, &e)
	assert.Nil(t, e.NeedInfo, "details of another code")
}

func TestTransportErrorNamesTheLimitOnlyWhereItCanBeTheCause(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  *oxd.TransportError
		want bool
	}{
		{&oxd.TransportError{Command: "x", Sent: true, Err: io.EOF}, true},
		{&oxd.TransportError{Command: "x", Sent: true, Err: fmt.Errorf("wrapped: %w", io.EOF)}, true},
		{&oxd.TransportError{Command: "x", Sent: false, Err: io.EOF}, false},
		{&oxd.TransportError{Command: "x", Sent: true, Err: io.ErrUnexpectedEOF}, false},
		{&oxd.TransportError{Command: "x", Sent: true, Err: context.DeadlineExceeded}, false},
	} {
		assert.Equal(t, tc.want, strings.Contains(tc.err.Error(), "9,999"), tc.err.Error())
		assert.ErrorIs(t, tc.err, oxd.ErrUnavailable)
		assert.NotErrorIs(t, tc.err, oxd.ErrClosed)
	}
}
