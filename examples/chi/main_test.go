package main

import (
	"net/http"
	"testing"

	"github.com/go-chi/chi/v5"

	"example.com/oxdauth/examples/internal/exampletest"
)

func TestService(t *testing.T) { exampletest.Service(t, service) }

// later is a middleware behind the login.
func later(a *exampletest.App) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			a.Later(r)
			next.ServeHTTP(w, r)
		})
	}
}

func routes(r chi.Router, a *exampletest.App) {
	r.Get("/app/page/{id}", a.ServeHTTP)
	r.Head("/app/page/{id}", a.ServeHTTP)
}

// own mounts what a middleware on some routes does not see.
func own(r chi.Router, a *exampletest.App) {
	r.Handle(a.Auth.CallbackPath(), a.Auth.Callback())
	r.Handle(a.Auth.LoginPath(), a.Auth.Login())
	r.Handle(a.Auth.LogoutPath(), a.Auth.Logout())
}

func TestMounts(t *testing.T) {
	t.Parallel()
	exampletest.Mounts(t,
		exampletest.Mount{Name: "chi Use", Whole: true, Build: func(a *exampletest.App) http.Handler {
			r := chi.NewRouter()
			r.Use(a.Wrap, later(a))
			routes(r, a)
			return r
		}},
		exampletest.Mount{Name: "chi Group", Build: func(a *exampletest.App) http.Handler {
			r := chi.NewRouter()
			own(r, a)
			r.Group(func(r chi.Router) {
				r.Use(a.Wrap, later(a))
				routes(r, a)
			})
			return r
		}},
		exampletest.Mount{Name: "chi With", Build: func(a *exampletest.App) http.Handler {
			r := chi.NewRouter()
			own(r, a)
			routes(r.With(a.Wrap, later(a)), a)
			return r
		}},
	)
}

func TestGuards(t *testing.T) {
	t.Parallel()
	exampletest.Guards(t, func(a *exampletest.Guarded) http.Handler {
		photo := func(w http.ResponseWriter, r *http.Request) { a.Photo(w, r, chi.URLParam(r, "id")) }
		r := chi.NewRouter()
		r.With(a.View).Get("/photos/{id}", photo)
		r.With(a.View).Head("/photos/{id}", photo)
		r.With(a.Edit).Put("/photos/{id}", photo)
		r.With(a.Any).HandleFunc("/any/{id}", photo)
		return r
	})
}
