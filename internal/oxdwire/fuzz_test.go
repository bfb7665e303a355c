// Foreign bytes on the socket and over HTTPS.

package oxdwire_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf16"

	"example.com/oxdauth/internal/oxdwire"
)

// FuzzRequest reads foreign bytes as the socket does and binds whatever command comes out.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		`0040{"command":"license_status","params":{}}`, "0000", "-001", "+034{}", "\xff\xfe", `0029{"command":"foo","params":{}}`,
		`0064{"command":"uma_rs_protect","params":{"resources":[{"path":1}]}}`, `0050{"command":"x","params":{"a":"\ud800\ud83d\ude00\u"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		body, err := oxdwire.NewReader(bytes.NewReader(b)).Next()
		if err != nil {
			return
		}
		_, params, ok := oxdwire.ParseCommand(body)
		if !ok || !params.IsObject() {
			return
		}
		params.Registration()
		params.Registration4()
		params.Update()
		params.Resources()
		params.Dict("custom_parameters")
		checkMarshalled(t, params.Raw())
	})
}

// FuzzRESTBody reads foreign bodies as oxd 4 does, and writes them again.
func FuzzRESTBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"redirect_uris":["https://a.example/"],"custom_attributes":{"oxAuthTrustedClient":true}}`, `{"op_configuration_endpoint":1}`,
		`{"a":"\ud800\ud83d\ude00","b":"\\\/\u0022"}`, `[]`, `null`, "{", `{"a":1}{`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		params := oxdwire.NewParams(body)
		if !params.IsObject() {
			return
		}
		params.Registration4()
		params.Resources()
		params.Date("client_secret_expires_at")
		fields, ok := oxdwire.DecodeObject(body)
		if !ok {
			t.Fatalf("%q is an object for one reader alone", body)
		}
		checkMarshalled(t, fields)
	})
}

// checkMarshalled checks that a value is written as JSON, and framed with the length that it has.
func checkMarshalled(t *testing.T, v any) {
	t.Helper()
	text := oxdwire.Marshal(v)
	if !json.Valid([]byte(text)) {
		t.Fatalf("%v became %q, which is no JSON", v, text)
	}
	out, ok := oxdwire.Frame(text)
	if !ok {
		return
	}
	sent := string(out[oxdwire.PrefixLen:])
	if n := len(utf16.Encode([]rune(strings.ReplaceAll(text, "\uFDD0", "?")))); n != len(utf16.Encode([]rune(sent))) {
		t.Fatalf("%q counts %d units, sent as %q", text, n, sent)
	}
}
