package main

// The pages about photos: the exchange step by step, and a page that is guarded itself.

import (
	"net/http"
	"slices"

	"example.com/oxdauth"
)

// guardedResource is a line of the table of what the guard protects.
type guardedResource struct{ Resource, Scope, Who string }

type photosPage struct {
	Attempts  []attempt
	Exchange  *exchange
	Ready     bool
	Resources []guardedResource
}

func (a *app) photos(w http.ResponseWriter, r *http.Request) { a.showPhotos(w, r, nil) }

func (a *app) showPhotos(w http.ResponseWriter, r *http.Request, x *exchange) {
	a.show(w, r, http.StatusOK, "photos", "Photos", photosPage{
		Attempts: attempts, Exchange: x, Ready: a.guard.Ready() == nil,
		Resources: []guardedResource{
			{"GET /api/photos", scopeView, "every client that asks"},
			{"GET /api/photos/{id}", scopeView, "every client that asks"},
			{"PUT /api/photos/{id}", scopeEdit, "clients that act for somebody with the role admin"},
			{"GET /photos/restricted", scopeRestricted, "people who say that they are in Norway (NO) or Denmark (DK)"},
		},
	})
}

// runExchange answers with the page itself and not with a redirect: nothing is kept, and sending
// the form again does no harm.
func (a *app) runExchange(w http.ResponseWriter, r *http.Request) {
	session, ok := a.mustSession(w, r)
	if !ok || !a.parseForm(w, r) {
		return
	}
	i := slices.IndexFunc(attempts, func(try attempt) bool { return try.Value == r.PostForm.Get("try") })
	if i < 0 {
		a.message(w, r, http.StatusBadRequest, "Bad request", "There is nothing of that name to try.", linkHome)
		return
	}
	a.showPhotos(w, r, a.exchange(r.Context(), attempts[i], session.IDToken()))
}

func (a *app) restrictedPage(w http.ResponseWriter, r *http.Request) {
	decision, _ := oxdauth.DecisionFromContext(r.Context())
	a.show(w, r, http.StatusOK, "restricted", "Restricted photos", struct {
		Photos   []photo
		Decision oxdauth.Decision
	}{restrictedPhotos(), decision})
}
