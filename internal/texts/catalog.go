package texts

// The translations, and which of them a browser is shown.

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Catalog has the texts in other languages than English. A nil Catalog has English alone. It is
// immutable and safe for concurrent use.
type Catalog struct {
	tags         []string // sorted
	translations map[string]map[string]string
}

// New checks translations and returns a copy of them. The keys of languages are language tags
// (BCP 47), the values have a translation of each text of [All] and of no other. All problems are
// reported at once.
func New(languages map[string]map[string]string) (*Catalog, error) {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("oxdauth: WithTranslations: "+format, args...))
	}
	c := &Catalog{translations: make(map[string]map[string]string, len(languages))}
	all := All()
	for tag, texts := range languages {
		if !isLanguageTag(tag) {
			fail("%q is not a language tag", tag)
		}
		for _, text := range all {
			if texts[text] == "" {
				fail("%s: no translation of %q", tag, text)
			}
		}
		for text := range texts {
			if !slices.Contains(all, text) {
				fail("%s: no page says %q", tag, text)
			}
		}
		c.translations[tag] = maps.Clone(texts)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.tags = slices.Sorted(maps.Keys(c.translations))
	return c, nil
}

// isLanguageTag reports whether tag has the characters and the length of a language tag.
func isLanguageTag(tag string) bool {
	return len(tag) >= 2 && len(tag) <= 35 && !strings.ContainsFunc(tag, func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
	})
}

// Match returns the language that an Accept-Language header prefers, found by lookup (RFC 4647
// section 3.4): a tag of the catalog, "en" if none fits, "" if the catalog has no translations.
func (c *Catalog) Match(acceptLanguage string) string {
	if c == nil || len(c.tags) == 0 {
		return ""
	}
	for _, tag := range acceptedLanguages(acceptLanguage) {
		for tag != "" {
			if strings.EqualFold(tag, "en") {
				return "en"
			}
			for _, have := range c.tags {
				if strings.EqualFold(have, tag) {
					return have
				}
			}
			tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
		}
	}
	return "en"
}

// Text returns a text in a language that Match has returned. It returns the text as it is if
// there is no translation.
func (c *Catalog) Text(language, text string) string {
	if c == nil {
		return text
	}
	return cmp.Or(c.translations[language][text], text)
}

const maxAcceptedLanguages = 10

// acceptedLanguages reads Accept-Language (RFC 9110 section 12.5.4), the most preferred first.
func acceptedLanguages(header string) []string {
	type accepted struct {
		tag     string
		quality float64
	}
	var list []accepted
	for part := range strings.SplitSeq(header, ",") {
		tag, params, _ := strings.Cut(part, ";")
		quality := 1.0
		if _, q, ok := strings.Cut(params, "q="); ok {
			quality, _ = strconv.ParseFloat(strings.TrimSpace(q), 64) // 0, not wanted, if malformed
		}
		if tag = strings.TrimSpace(tag); isLanguageTag(tag) && quality > 0 && quality <= 1 {
			list = append(list, accepted{tag, quality})
		}
		if len(list) == maxAcceptedLanguages {
			break
		}
	}
	slices.SortStableFunc(list, func(a, b accepted) int { return cmp.Compare(b.quality, a.quality) })
	tags := make([]string, len(list))
	for i, one := range list {
		tags[i] = one.tag
	}
	return tags
}
