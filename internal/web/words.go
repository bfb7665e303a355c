package web

// Tokens, token68 and quoted strings of header fields, and words of space-separated lists.

import (
	"fmt"
	"strings"
)

// CheckWords refuses words that cannot stand in a space-separated list such as scope (RFC 6749
// section 3.3) or acr_values, and those of more than 256 bytes. what names the kind of word in
// the error, with an article: "a scope".
func CheckWords(what string, words []string) error {
	for _, word := range words {
		if word == "" || len(word) > 256 || strings.ContainsFunc(word, notInWord) {
			return fmt.Errorf("oxdauth: %q is not %s", word, what)
		}
	}
	return nil
}

func notInWord(c rune) bool { return c <= ' ' || c >= 0x7f || c == '"' || c == '\\' }

// IsToken reports whether s is a token of RFC 9110 section 5.6.2, which a cookie name has to be.
func IsToken(s string) bool { return s != "" && !strings.ContainsFunc(s, notInToken) }

// CutToken returns the token that s begins with, "" if there is none, and the rest of s.
func CutToken(s string) (token, rest string) {
	if i := strings.IndexFunc(s, notInToken); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

func notInToken(c rune) bool {
	return c <= ' ' || c >= 0x7f || strings.ContainsRune("\"(),/:;<=>?@[\\]{}", c)
}

// IsToken68 reports whether s is a token68 of RFC 9110 section 11.2: letters, digits and -._~+/,
// then padding.
func IsToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !token68[s[i]] {
			return false
		}
	}
	return s != ""
}

var token68 = func() (in [256]bool) {
	for _, c := range []byte("-._~+/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		in[c] = true
	}
	return in
}()

var quoteEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// Quote returns s as a quoted-string (RFC 9110 section 5.6.4). s must not have control characters.
func Quote(s string) string { return `"` + quoteEscapes.Replace(s) + `"` }
