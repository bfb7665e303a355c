package oxd_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestClaimsBecomeTexts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in string
		want     oxd.Claims
	}{
		{"as 3.1.1 sends them", `{"sub":["u"],"exp":["1501860330"],"email_verified":["true"]}`,
			oxd.Claims{"sub": {"u"}, "exp": {"1501860330"}, "email_verified": {"true"}}},
		{"plain JSON", `{"sub":"u","exp":1501860330,"email_verified":true,"big":12345678901234567890}`,
			oxd.Claims{"sub": {"u"}, "exp": {"1501860330"}, "email_verified": {"true"}, "big": {"12345678901234567890"}}},
		{"object", `{"address":{"a": [1, 2]}}`, oxd.Claims{"address": {`{"a":[1,2]}`}}},
		{"array of several kinds", `{"x":["a",1,null,{"b":true},["c"]]}`,
			oxd.Claims{"x": {"a", "1", "null", `{"b":true}`, `["c"]`}}},
		{"null is absent", `{"x":null,"y":"z"}`, oxd.Claims{"y": {"z"}}},
		{"null as oxd sends it", `{"x":["null"]}`, oxd.Claims{"x": {"null"}}},
		{"empty array", `{"x":[]}`, oxd.Claims{"x": {}}},
		{"the last of two", `{"x":"a","x":"b"}`, oxd.Claims{"x": {"b"}}},
		{"names differ by case", `{"sub":"a","SUB":"b"}`, oxd.Claims{"sub": {"a"}, "SUB": {"b"}}},
		{"not ASCII", `{"name":["Zoë 李 \ud83d\ude00"]}`, oxd.Claims{"name": {"Zoë 李 😀"}}},
		{"null for all", `null`, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got oxd.Claims
			require.NoError(t, json.Unmarshal([]byte(tc.in), &got))
			assert.Equal(t, len(tc.want), len(got))
			for name, values := range tc.want {
				assert.Equal(t, values, got[name])
			}
		})
	}
}

func TestClaimsOfAnotherKindAreRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []string{`[]`, `"x"`, `5`, `{"a":}`, `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`} {
		var got oxd.Claims
		require.Error(t, json.Unmarshal([]byte(in), &got))
		assert.Empty(t, got)
	}
}

func TestClaimsGetReturnsTheFirstValue(t *testing.T) {
	t.Parallel()
	c := oxd.Claims{"a": {"1", "2"}, "b": {}}
	assert.Equal(t, "1", c.Get("a"))
	assert.Empty(t, c.Get("b"))
	assert.Empty(t, c.Get("c"))
	assert.Empty(t, oxd.Claims(nil).Get("a"))
}

func TestClaimsTimeIsBounded(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"1501860330", 1501860330, true},
		{"1501860330.9", 1501860330, true},
		{"1.50186033e9", 1501860330, true},
		{"0", 0, true},
		{"2147483648", 2147483648, true},
		{"253402300799", 253402300799, true},
		{"253402300800", 0, false},
		{"1e300", 0, false}, {"1e400", 0, false}, {"-1", 0, false}, {"NaN", 0, false}, {"Inf", 0, false},
		{"", 0, false}, {"soon", 0, false}, {"9223372036854775807", 0, false}, {"null", 0, false},
	} {
		got, ok := oxd.Claims{"exp": {tc.in}}.Time("exp")
		assert.Equal(t, tc.ok, ok, tc.in)
		if ok {
			assert.Equal(t, tc.want, got.Unix(), tc.in)
		} else {
			assert.True(t, got.IsZero(), tc.in)
		}
	}
}

func TestLifetimesSaturateAndNeverWrap(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		want time.Duration
	}{
		{`299`, 299 * time.Second},
		{`"3600"`, time.Hour},
		{`3600.7`, time.Hour},
		{`0`, 0},
		{`1e300`, math.MaxInt64},
		{`9223372036854775807`, math.MaxInt64},
		{`9223372037`, math.MaxInt64},
		{`9223372035`, 9223372035 * time.Second},
		{`-1`, -1}, {`-1e300`, -1}, {`null`, -1}, {`"NaN"`, -1}, {`"Inf"`, -1}, {`1e400`, -1},
		{`true`, -1}, {`[3600]`, -1}, {`{}`, -1}, {`""`, -1}, {`"soon"`, -1},
	} {
		c := newClient(t, answering(`{"access_token":"a","expires_in":`+tc.in+`}`), oxd.Site{OxdID: "x"})
		got, err := c.RefreshTokens(t.Context(), secret("r"))
		require.NoError(t, err)
		assert.Equal(t, tc.want, got.ExpiresIn, tc.in)
	}
	c := newClient(t, answering(`{"access_token":"a"}`), oxd.Site{OxdID: "x"})
	got, err := c.RefreshTokens(t.Context(), secret("r"))
	require.NoError(t, err)
	assert.Negative(t, got.ExpiresIn, "left out")
}

func TestScopeIsWhatWasSentAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in string
		want     []string
	}{
		{"text", `"openid profile"`, []string{"openid", "profile"}},
		{"array", `["openid","profile"]`, []string{"openid", "profile"}},
		{"array of texts", `["openid profile","email"]`, []string{"openid", "profile", "email"}},
		{"empty", `""`, nil},
		{"null", `null`, nil},
	} {
		c := newClient(t, answering(`{"access_token":"a","scope":`+tc.in+`}`), oxd.Site{OxdID: "x"})
		got, err := c.RefreshTokens(t.Context(), secret("r"), "openid", "asked")
		require.NoError(t, err)
		assert.ElementsMatch(t, tc.want, got.Scope, tc.name)
	}
	c := newClient(t, answering(`{"access_token":"a"}`), oxd.Site{OxdID: "x"})
	got, err := c.RefreshTokens(t.Context(), secret("r"), "asked")
	require.NoError(t, err)
	assert.Empty(t, got.Scope, "left out")
}

func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		`{"sub":["u"],"exp":["1501860330"]}`, `{"a":1e300,"b":-1,"c":null,"d":{"e":[[]]}}`, `null`, `[]`, `{"a":"a","a":"b"}`,
		`{"exp":["9223372036854775807"]}`, "{\"\xff\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var c oxd.Claims
		if json.Unmarshal(data, &c) != nil && len(c) > 0 {
			t.Fatal("claims beside an error")
		}
		for name := range c {
			when, ok := c.Time(name)
			if ok && (when.Unix() < 0 || when.UTC().Year() > 9999) {
				t.Fatalf("%s: %v", name, when)
			}
		}
	})
}
