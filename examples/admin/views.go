package main

// Turning pages into bytes: the templates, the functions they use, and the assets. Both are part of
// the binary.

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"time"
	"unicode"
	"unicode/utf8"
)

//go:embed templates assets
var files embed.FS

// views is read-only once made.
type views struct {
	pages  map[string]*template.Template
	assets map[string]asset
}

// asset is one file under /assets. Its URL carries the version, so a browser may keep it for ever.
type asset struct {
	body        []byte
	contentType string
	version     string
}

// loadViews parses what is embedded; a mistake in there is a mistake in the program, and the tests
// find it.
func loadViews() *views {
	v := &views{pages: map[string]*template.Template{}, assets: map[string]asset{}}
	names, err := fs.Glob(files, "assets/*")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		body, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(body)
		kind := map[string]string{".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(name)]
		v.assets[path.Base(name)] = asset{body, kind, hex.EncodeToString(sum[:6])}
	}
	functions := template.FuncMap{
		"asset": v.assetURL, "acr": acrName, "ago": ago, "utc": utc, "stamp": stamp,
		"roleClass": roleClass, "kindClass": kindClass,
	}
	for _, name := range []string{"dashboard", "users", "photos", "restricted", "audit", "session", "settings", "message"} {
		v.pages[name] = template.Must(template.New(name).Funcs(functions).
			ParseFS(files, "templates/icons.html", "templates/layout.html", "templates/"+name+".html"))
	}
	return v
}

func (v *views) assetURL(name string) (string, error) {
	a, ok := v.assets[name]
	if !ok {
		return "", fmt.Errorf("there is no asset %q", name)
	}
	return "/assets/" + name + "?v=" + a.version, nil
}

func (v *views) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := v.assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	if r.URL.Query().Get("v") == a.version {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}

// render writes the page called name. It is rendered as a whole first, so that a failure cannot
// leave half a page behind.
func (v *views) render(w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, name string, p page) {
	var out bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&out, "layout", p); err != nil {
		log.ErrorContext(r.Context(), "page failed", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	// Without this the back button would show the page again after signing out.
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

// acrName says what an authentication context is, for people.
func acrName(acr string) string {
	switch acr {
	case "":
		return "a login of unknown kind"
	case "basic":
		return "a password"
	case strongACR:
		return "a one-time password"
	}
	return "the login “" + acr + "”"
}

func utc(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05") }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ago says how far away a moment is, in the largest unit that fits.
func ago(t time.Time) string {
	d := time.Since(t)
	format := "%s ago"
	if d < 0 {
		// Rounded, because what was 5 minutes away when a token was made is 4:59.99 away a moment
		// later.
		d, format = (-d).Round(time.Minute), "in %s"
	}
	units := []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}}
	for _, u := range units {
		switch n := int(d / u.size); {
		case n == 1:
			return fmt.Sprintf(format, "1 "+u.name)
		case n > 1:
			return fmt.Sprintf(format, fmt.Sprintf("%d %ss", n, u.name))
		}
	}
	if format == "in %s" {
		return "in less than a minute"
	}
	return "just now"
}

func roleClass(r role) string {
	switch r {
	case roleAdministrator:
		return "accent"
	case roleEditor:
		return "good"
	case roleAuditor:
		return "warn"
	}
	return "plain"
}

func kindClass(kind string) string {
	switch kind {
	case kindSignIn, kindStepUp:
		return "good"
	case kindFailed:
		return "bad"
	case kindRole, kindSettings:
		return "warn"
	case kindRefresh:
		return "accent"
	}
	return "plain"
}

// sentence makes an error of this application one for people.
func sentence(err error) string {
	text := err.Error()
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}
