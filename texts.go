package oxdauth

// What pages say, in English and in the languages an application adds.

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

const (
	titleEnded       = "Your session has ended"
	textEnded        = "What you sent was not processed. Sign in and send it again."
	titleStray       = "This login cannot be continued"
	textStray        = "It was started in another browser, has been used already, or cookies are switched off."
	titleCancelled   = "The login was cancelled"
	textCancelled    = "You, or the provider, chose not to go on."
	titleProvider    = "The provider could not sign you in"
	textAgain        = "Please try again; if it happens again, tell the people who run this application."
	titleACR         = "A stronger login is needed"
	textACR          = "The provider did not confirm the kind of login this page requires."
	textForbidden    = "This page is not open to you."
	textBadPath      = "The address of this page can be read in more than one way."
	textCrossOrigin  = "The request came from another site."
	titleUnavailable = "Signing in is not possible right now"
	textUnavailable  = "The login service does not answer. Please try again in a moment."
	titleSignOut     = "Sign out?"
	textSignOut      = "You are about to sign out."
	titleSignedOut   = "Signed out"
	textSignedOut    = "You are signed out of this application."
	titleForm        = "Send your form?"
	textForm         = "Your session had ended when you sent it. You are signed in again, and nothing you entered is lost."
	titleDenied      = "You do not have access"
	textDenied       = "Access to this page was not granted."
	textMalformed    = "The request was not understood."
	titleUnchecked   = "Access cannot be checked right now"
	titleStore       = "Your session cannot be checked right now"
	textUnchecked    = "Please try again in a moment."
	titleWaiting     = "Waiting for approval"
	textWaiting      = "Whoever decides about this page has been asked. Please try again later."
	titleGathering   = "This cannot be continued"
	textGathering    = "It was started in another browser or by another user, has been used already, or took too long."

	buttonSignIn  = "Sign in again"
	buttonStart   = "Go to the start page"
	buttonRetry   = "Try again"
	buttonSignOut = "Sign out"
	buttonSend    = "Send it now"
	buttonSkip    = "Go on without sending"
	labelRequest  = "Request"
)

// PageTexts lists every text of the built-in pages: the keys of a translation for [WithTranslations].
func PageTexts() []string {
	list := []string{
		titleEnded, textEnded, titleStray, textStray, titleCancelled, textCancelled, titleProvider, textAgain, titleACR, textACR,
		textForbidden, textBadPath, textCrossOrigin, titleUnavailable, textUnavailable, titleSignOut, textSignOut, titleSignedOut, textSignedOut, titleForm, textForm,
		titleDenied, textDenied, textMalformed, titleUnchecked, textUnchecked, titleStore, titleWaiting, textWaiting, titleGathering, textGathering,
		buttonSignIn, buttonStart, buttonRetry, buttonSignOut, buttonSend, buttonSkip, labelRequest,
	}
	for _, status := range []int{400, 403, 405, 429, 500, 502, 503} {
		list = append(list, http.StatusText(status))
	}
	return list
}

// WithTranslations adds languages to the pages. The keys are language tags (BCP 47) such as "de" or "pt-BR", the values map
// each of [PageTexts] to its translation; a text that is missing or unknown is an error. A browser gets the language its
// Accept-Language header prefers, English where none fits. That language is passed to the provider as ui_locales (OpenID
// Connect Core section 3.1.2.1), so that its login page speaks it as well. Default: English, and no ui_locales.
func WithTranslations(languages map[string]map[string]string) Option {
	return option(func(s *settings) error {
		var errs []error
		for tag, texts := range languages {
			if !isLanguageTag(tag) {
				errs = append(errs, fmt.Errorf("oxdauth: WithTranslations: %q is not a language tag", tag))
			}
			for _, text := range PageTexts() {
				if texts[text] == "" {
					errs = append(errs, fmt.Errorf("oxdauth: WithTranslations: %s: no translation of %q", tag, text))
				}
			}
			for text := range texts {
				if !slices.Contains(PageTexts(), text) {
					errs = append(errs, fmt.Errorf("oxdauth: WithTranslations: %s: no page says %q", tag, text))
				}
			}
		}
		s.translations = make(map[string]map[string]string, len(languages))
		for tag, texts := range languages {
			s.translations[tag] = maps.Clone(texts)
		}
		return errors.Join(errs...)
	})
}

func isLanguageTag(tag string) bool {
	return len(tag) >= 2 && len(tag) <= 35 && !strings.ContainsFunc(tag, func(c rune) bool {
		return c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z')
	})
}

// language gives the language for a request, "" when there are no translations.
func (m *Middleware) language(r *http.Request) string {
	if len(m.translations) == 0 {
		return ""
	}
	for _, wanted := range acceptedLanguages(r.Header.Get("Accept-Language")) {
		for tag := wanted; tag != ""; tag, _, _ = cutLast(tag, "-") { // lookup of RFC 4647 section 3.4
			if strings.EqualFold(tag, "en") {
				return "en"
			}
			for _, have := range slices.Sorted(maps.Keys(m.translations)) {
				if strings.EqualFold(have, tag) {
					return have
				}
			}
		}
	}
	return "en"
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return "", "", false
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
			quality, _ = strconv.ParseFloat(strings.TrimSpace(q), 64) // zero, not wanted, when malformed
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

// translated gives p in a language.
func (m *Middleware) translated(p PageData, language string) PageData {
	texts := m.translations[language]
	for _, text := range []*string{&p.Title, &p.Text, &p.Button, &p.Other, &p.RequestLabel} {
		if other := texts[*text]; other != "" {
			*text = other
		}
	}
	p.Lang = cmp.Or(language, "en")
	return p
}
