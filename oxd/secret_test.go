package oxd_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type holder struct {
	Public oxd.Secret
	hidden oxd.Secret
	many   []oxd.Secret
}

const confidential = "c0nf1dent1al"

func TestSecretIsNotPrintedByAnyVerb(t *testing.T) {
	t.Parallel()
	s := secret(confidential)
	values := map[string]any{
		"itself":   s,
		"pointer":  &s,
		"struct":   holder{s, s, []oxd.Secret{s}},
		"*struct":  &holder{s, s, []oxd.Secret{s}},
		"map":      map[string]holder{"x": {s, s, nil}},
		"tokens":   oxd.Tokens{AccessToken: s, RefreshToken: s, IDToken: s},
		"needinfo": &oxd.NeedInfo{Ticket: s},
		"params":   oxd.RegisterSiteParams{ClientSecret: s},
		"request":  &oxd.Request{Token: s},
	}
	for name, value := range values {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "%s", "%q", "%d", "%T"} {
				assert.NotContains(t, fmt.Sprintf(verb, value), confidential, verb)
				assert.NotContains(t, fmt.Sprintf(verb, value), fmt.Sprintf("%x", confidential), verb)
			}
			text, err := json.Marshal(value)
			require.NoError(t, err)
			assert.NotContains(t, string(text), confidential)

			var log bytes.Buffer
			slog.New(slog.NewTextHandler(&log, nil)).Info("m", "k", value)
			slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "k", value)
			assert.NotContains(t, log.String(), confidential)
		})
	}
}

func TestSecretPrintsTheSamePlaceholderEverywhere(t *testing.T) {
	t.Parallel()
	for _, s := range []oxd.Secret{{}, secret(confidential)} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%q"} {
			assert.Equal(t, "[redacted]", fmt.Sprintf(verb, s))
		}
		assert.Equal(t, "[redacted]", s.String())
	}
}

func TestSecretRevealsAndCompares(t *testing.T) {
	t.Parallel()
	assert.Equal(t, confidential, secret(confidential).Reveal())
	assert.Empty(t, oxd.Secret{}.Reveal())
	assert.True(t, secret("").IsZero())
	assert.False(t, secret("x").IsZero())
	assert.True(t, secret("a").Equal(secret("a")))
	assert.False(t, secret("a").Equal(secret("b")))
	assert.False(t, secret("a").Equal(secret("aa")))
	assert.True(t, oxd.Secret{}.Equal(secret("")))
}
