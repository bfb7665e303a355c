package sealed

// Our cookies in a request.

import (
	"net/http"
	"strings"
)

// Jar holds the cookies of one request whose names start with ours, in the order of the request.
type Jar []Pair

// Pair is one cookie.
type Pair struct{ Name, Value string }

// maxJar bounds the number of our cookies that are looked at: all chunks of the two kinds of a
// session, three times the five logins a browser keeps under way, and with these some planted ones.
const maxJar = 2*maxChunks + 3*5

// ReadJar returns the cookies whose names start with prefix, without parsing the others, in one
// pass over the header. It is small enough to be inlined: a caller that does not keep the jar has
// it on its stack.
func ReadJar(r *http.Request, prefix string) Jar { return appendJar(make(Jar, 0, 8), r, prefix) }

func appendJar(found Jar, r *http.Request, prefix string) Jar {
	for _, line := range r.Header["Cookie"] {
		for line != "" && len(found) < maxJar {
			var part string
			part, line, _ = strings.Cut(line, ";")
			for part != "" && (part[0] == ' ' || part[0] == '\t') {
				part = part[1:]
			}
			if !strings.HasPrefix(part, prefix) {
				continue
			}
			part = strings.TrimRight(part, " \t")
			if name, value, ok := strings.Cut(part, "="); ok {
				found = append(found, Pair{name, value})
			}
		}
	}
	return found
}

func (j Jar) has(name string) bool {
	for _, c := range j {
		if c.Name == name {
			return true
		}
	}
	return false
}

func (j Jar) first(name string) string {
	for _, c := range j {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}
