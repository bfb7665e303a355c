package oxd

// Reading objects, compared with the decoder of the standard library.

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
)

// slowly reads an object token by token.
func slowly(data []byte) (object, error) {
	if !json.Valid(data) {
		return nil, errors.New("not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	start, err := dec.Token()
	if err != nil || start == nil {
		return nil, err
	}
	if start != json.Delim('{') {
		return nil, errMalformed
	}
	fields := object{}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, err
		}
		if _, twice := fields[name.(string)]; twice {
			return nil, errMalformed
		}
		fields[name.(string)] = value
	}
	return fields, nil
}

func FuzzObjectIsReadAsTheStandardLibraryDoes(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `null`, `[]`, `"x"`, `7`, `{"a":1}`, `{"a":1 , "b" : [ {"c":"}"} ] }`, `{"a":"\"","a\u0000":null}`,
		`{"a":1,"\u0061":2}`, `{"":{}}`, `{"a":{"b":[1,2,{"c":"]"}]},"d":-1.5e3,"e":true}`, `{"\\":"\\"}`, `{"é":"ü"}`,
		"{\"\xff\":\"\xfe\"}", "{\"a\":1\n,\"b\":\t2\r}", `{"a":1,}`, `{"a"}`, `{`, ``, `{"a":"\ud800"}`, `{"a":[[[]]],"b":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		want, wantErr := slowly(data)
		var got object
		err := got.UnmarshalJSON(data)
		if (wantErr == nil) != (err == nil) {
			t.Fatalf("%v, want %v", err, wantErr)
		}
		assert.Equal(t, want, got)
		for name, raw := range want {
			var s string
			_ = json.Unmarshal(raw, &s)
			assert.Equal(t, s, got.exact(name))
		}
	})
}
