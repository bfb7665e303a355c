package texts_test

// Which language a browser is shown, and which translations are taken.

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/texts"
)

func translation(mark string) map[string]string {
	translated := map[string]string{}
	for _, text := range texts.All() {
		translated[text] = mark + text
	}
	return translated
}

func TestEveryTextIsThereOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, text := range texts.All() {
		assert.NotEmpty(t, text)
		assert.False(t, seen[text], text)
		seen[text] = true
	}
	assert.Len(t, seen, 45)
	assert.True(t, seen[texts.TitleEnded] && seen["Too Many Requests"])
}

func TestABrowserGetsTheLanguageItPrefers(t *testing.T) {
	t.Parallel()
	c, err := texts.New(map[string]map[string]string{"de": translation("ä"), "pt-BR": translation("ã"), "sr-Latn": translation("š")})
	require.NoError(t, err)
	for header, want := range map[string]string{
		"":                               "en",
		"fr":                             "en",
		"de":                             "de",
		"DE-at":                          "de",
		"de-Latn-AT-1996":                "de",
		"pt-br":                          "pt-BR",
		"pt-BR-abl1943":                  "pt-BR",
		"pt":                             "en",
		"sr-Cyrl, de":                    "de",
		"sr-latn-RS":                     "sr-Latn",
		"fr;q=0.9, de;q=0.5, en;q=.1":    "de",
		"de;q=0.5,pt-BR;q=0.6":           "pt-BR",
		"en-GB, de":                      "en",
		"EN":                             "en",
		"de;q=0, pt-BR;q=0.1":            "pt-BR",
		"de;q=nonsense, *, -, ;":         "en",
		"de;q=1.1":                       "en",
		"de;q=-1":                        "en",
		"de; q=0.8":                      "de",
		"--":                             "en",
		strings.Repeat("xx,", 9) + "de":  "de",
		strings.Repeat("xx,", 10) + "de": "en",
		strings.Repeat("xx,", 5000):      "en",
	} {
		assert.Equal(t, want, c.Match(header), header)
	}
}

func TestATextIsShownInItsLanguage(t *testing.T) {
	t.Parallel()
	de := translation("ä")
	c, err := texts.New(map[string]map[string]string{"de": de})
	require.NoError(t, err)
	clear(de)
	assert.Equal(t, "äSign out?", c.Text("de", texts.TitleSignOut), "the catalog has a copy")
	assert.Equal(t, texts.TitleSignOut, c.Text("en", texts.TitleSignOut))
	assert.Equal(t, texts.TitleSignOut, c.Text("", texts.TitleSignOut))
	assert.Equal(t, "of the application", c.Text("de", "of the application"))
	assert.Empty(t, c.Text("de", ""))
}

func TestWithoutTranslationsNoLanguageIsNamed(t *testing.T) {
	t.Parallel()
	empty, err := texts.New(nil)
	require.NoError(t, err)
	for name, c := range map[string]*texts.Catalog{"no catalog": nil, "an empty one": empty} {
		assert.Empty(t, c.Match("de"), name)
		assert.Equal(t, texts.TextAgain, c.Text("de", texts.TextAgain), name)
	}
}

func TestAnIncompleteTranslationIsRefused(t *testing.T) {
	t.Parallel()
	without := func(change func(map[string]string)) map[string]string {
		changed := translation("x")
		change(changed)
		return changed
	}
	for name, c := range map[string]struct {
		languages map[string]map[string]string
		want      []string
	}{
		"a text that is missing": {
			map[string]map[string]string{"de": without(func(m map[string]string) { delete(m, "Signed out") })},
			[]string{`oxdauth: WithTranslations: de: no translation of "Signed out"`},
		},
		"an empty text": {
			map[string]map[string]string{"de": without(func(m map[string]string) { m["Signed out"] = "" })},
			[]string{`oxdauth: WithTranslations: de: no translation of "Signed out"`},
		},
		"a text that no page says": {
			map[string]map[string]string{"de": without(func(m map[string]string) { m["Signed of"] = "x" })},
			[]string{`oxdauth: WithTranslations: de: no page says "Signed of"`},
		},
		"a tag that is none": {
			map[string]map[string]string{"d e": translation("x")}, []string{`oxdauth: WithTranslations: "d e" is not a language tag`},
		},
		"a tag that is too short": {map[string]map[string]string{"d": translation("x")}, []string{`"d" is not a language tag`}},
		"a tag that is too long": {
			map[string]map[string]string{strings.Repeat("d", 36): translation("x")}, []string{`is not a language tag`},
		},
		"everything at once": {
			map[string]map[string]string{"de": without(func(m map[string]string) { delete(m, "Signed out"); m["x"] = "y" }), "é": nil},
			[]string{`no translation of "Signed out"`, `no page says "x"`, `"é" is not a language tag`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalog, err := texts.New(c.languages)
			assert.Nil(t, catalog)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}
