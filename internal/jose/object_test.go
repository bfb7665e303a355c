package jose_test

// Members of JSON objects: exact names, and values that are malformed.

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/jose"
)

func TestMembersAreFoundByTheirExactNames(t *testing.T) {
	t.Parallel()
	var o jose.Object
	require.NoError(t, json.Unmarshal([]byte(`{
		"text":"a","TEXT":"b","twice":"a","twice":"b","empty":"","null":null,"number":1,"long":"`+strings.Repeat("x", 1025)+`",
		"limit":"`+strings.Repeat("x", 1024)+`","list":["a","b"],"none":[],"holes":["a",null],"mixed":["a",1],
		"second":1.9,"zero":0,"negative":-1,"huge":1e300,"last":253402300799,"after":253402300800,"quoted":"1",
		"object":{"x":{}},"Object":{}
	}`), &o))
	for name, want := range map[string]string{"text": "a", "twice": "b", "absent": "", "limit": strings.Repeat("x", 1024)} {
		var err error
		assert.Equal(t, want, o.Text(name, &err), name)
		assert.NoError(t, err, name)
	}
	for _, name := range []string{"empty", "null", "number", "long", "list", "object"} {
		var err error
		o.Text(name, &err)
		assert.Error(t, err, name)
		o.Text("text", &err)
		assert.Error(t, err, "a good member does not hide it")
	}
	for name, want := range map[string][]string{"text": {"a"}, "list": {"a", "b"}, "none": {}, "absent": nil, "null": nil} {
		var err error
		assert.Equal(t, want, o.Texts(name, &err), name)
		assert.NoError(t, err, name)
	}
	for _, name := range []string{"empty", "number", "long", "holes", "mixed", "object"} {
		var err error
		o.Texts(name, &err)
		assert.Error(t, err, name)
	}
	for name, want := range map[string]int64{"second": 1, "last": 253402300799} {
		var err error
		assert.Equal(t, want, o.Seconds(name, &err).Unix(), name)
		assert.NoError(t, err, name)
	}
	for _, name := range []string{"absent", "null", "zero", "negative", "huge", "after", "quoted", "list", "object"} {
		var err error
		o.Seconds(name, &err)
		assert.Error(t, err, name)
	}
	assert.NotNil(t, o.Object("object").Object("x"))
	for _, name := range []string{"absent", "null", "text", "list", "number"} {
		assert.Nil(t, o.Object(name), name)
	}
	assert.Nil(t, o.Object("Object").Object("x"))
}
