package oxdtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf16"
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
		units, _ := (&charReader{conn: bytes.NewReader(b)}).read(nil)
		body, _, state := cutFrame(units)
		if state != frameWhole {
			return
		}
		e, ok := parseEnvelope(body)
		if !ok || !e.params.object() {
			return
		}
		e.params.readRegistration()
		e.params.resources()
		e.params.dict("custom_parameters")
		text := marshal(e.params.fields)
		if !json.Valid([]byte(text)) {
			t.Fatalf("%q became %q, which is no JSON", body, text)
		}
		out, ok := frame(text)
		if !ok {
			return
		}
		sent := string(out[4:])
		if n := len(utf16.Encode([]rune(strings.ReplaceAll(text, string(loneSurrogate), "?")))); n != len(utf16.Encode([]rune(sent))) {
			t.Fatalf("%q counts %d units, sent as %q", text, n, sent)
		}
	})
}

// FuzzIDToken reads foreign tokens.
func FuzzIDToken(f *testing.F) {
	f.Add("e30.e30.AAAA")
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsieCJdLCJleHAiOjF9.AA")
	f.Fuzz(func(t *testing.T, token string) {
		j, err := parseJWT(token)
		if err != nil {
			if !errors.Is(err, errInternal) {
				t.Fatal(err)
			}
			return
		}
		_, _, _ = j.text("aud"), j.expired(), claimStrings(j.claims)
	})
}
