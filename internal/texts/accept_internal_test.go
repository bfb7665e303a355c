package texts

// Accept-Language, which anybody can send.

import (
	"strings"
	"testing"
)

func FuzzAcceptLanguage(f *testing.F) {
	for _, header := range []string{"", "de", "de-AT, en;q=0.5", "*;q=0", "a;q=1e300,b;q=-1", strings.Repeat("x-", 100)} {
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		list := acceptedLanguages(header)
		if len(list) > maxAcceptedLanguages {
			t.Fatal("too many")
		}
		for _, tag := range list {
			if !isLanguageTag(tag) {
				t.Fatalf("%q is no tag", tag)
			}
		}
	})
}
