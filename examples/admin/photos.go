package main

// The photos: what there is, in memory, and the API programs get it from. Who may do what is the
// business of the UMA guard in front of the API, see uma.go; nothing in here decides about access.

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// photo is one picture. The demo has no files: what the API gives away is what people would search
// for.
type photo struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Place string `json:"place"`
	Year  int    `json:"year"`
}

var (
	errUnknownPhoto = errors.New("there is no such photo")
	errBadTitle     = errors.New("a title needs 1 to 80 characters")
)

// restrictedPhotos are not in the API at all.
func restrictedPhotos() []photo {
	return []photo{
		{"r1", "Heavy cargo under cover", "Stavanger", 2024},
		{"r2", "Hull 214 before the naming", "Ulsteinvik", 2025},
		{"r3", "Bridge, night approach", "Aarhus", 2023},
	}
}

// album has the photos of the API. It is safe for concurrent use.
type album struct {
	mu     sync.Mutex // guards photos
	photos []photo
}

func newAlbum() *album {
	return &album{photos: []photo{
		{"1", "Container ship at dusk", "Hamburg", 2024},
		{"2", "Tugs in the fog", "Rotterdam", 2023},
		{"3", "New crane, first lift", "Gdynia", 2025},
	}}
}

func (a *album) list() []photo {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.photos)
}

// find returns the photo, after change if that is not nil.
func (a *album) find(id string, change func(*photo)) (photo, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.photos, func(p photo) bool { return p.ID == id })
	if i < 0 {
		return photo{}, errUnknownPhoto
	}
	if change != nil {
		change(&a.photos[i])
	}
	return a.photos[i], nil
}

func (a *album) setTitle(id, title string) (photo, error) {
	title = strings.TrimSpace(title)
	if n := utf8.RuneCountInString(title); n < 1 || n > 80 || !utf8.ValidString(title) || strings.ContainsFunc(title, unicode.IsControl) {
		return photo{}, errBadTitle
	}
	return a.find(id, func(p *photo) { p.Title = title })
}

func (a *app) listPhotos(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, a.album.list())
}

func (a *app) showPhoto(w http.ResponseWriter, r *http.Request) {
	p, err := a.album.find(r.PathValue("id"), nil)
	answerPhoto(w, p, err)
}

// editPhoto takes {"title": "..."}.
func (a *app) editPhoto(w http.ResponseWriter, r *http.Request) {
	var change struct{ Title string }
	if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
		answerPhoto(w, photo{}, errors.New("the body is not a JSON object with a title"))
		return
	}
	p, err := a.album.setTitle(r.PathValue("id"), change.Title)
	answerPhoto(w, p, err)
}

func answerPhoto(w http.ResponseWriter, p photo, err error) {
	switch {
	case err == nil:
		writeJSON(w, http.StatusOK, p)
	case errors.Is(err, errUnknownPhoto):
		writeJSON(w, http.StatusNotFound, map[string]string{"error": err.Error()})
	default:
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	}
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
