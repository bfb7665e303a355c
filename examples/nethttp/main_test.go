package main

import (
	"net/http"
	"testing"

	"example.com/oxdauth/examples/internal/exampletest"
)

func TestService(t *testing.T) { exampletest.Service(t, service) }

// later is a middleware behind the login.
func later(a *exampletest.App, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.Later(r)
		next.ServeHTTP(w, r)
	})
}

// own mounts what a middleware on some routes does not see.
func own(mux *http.ServeMux, a *exampletest.App) {
	mux.Handle(a.Auth.CallbackPath(), a.Auth.Callback())
	mux.Handle(a.Auth.LoginPath(), a.Auth.Login())
	mux.Handle(a.Auth.LogoutPath(), a.Auth.Logout())
}

func TestMounts(t *testing.T) {
	t.Parallel()
	exampletest.Mounts(t,
		exampletest.Mount{Name: "around everything", Whole: true, Build: func(a *exampletest.App) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("GET /app/page/{id}", a)
			return a.Wrap(later(a, mux))
		}},
		exampletest.Mount{Name: "single routes", Build: func(a *exampletest.App) http.Handler {
			mux := http.NewServeMux()
			own(mux, a)
			mux.Handle("GET /app/page/{id}", a.Wrap(later(a, a)))
			return mux
		}},
		exampletest.Mount{Name: "inside StripPrefix", Whole: true, Build: func(a *exampletest.App) http.Handler {
			sub := http.NewServeMux()
			sub.Handle("GET /page/{id}", a)
			mux := http.NewServeMux()
			own(mux, a)
			mux.Handle("/app/", http.StripPrefix("/app", a.Wrap(later(a, sub))))
			return mux
		}},
		exampletest.Mount{Name: "around StripPrefix", Whole: true, Build: func(a *exampletest.App) http.Handler {
			sub := http.NewServeMux()
			sub.Handle("GET /page/{id}", a)
			mux := http.NewServeMux()
			own(mux, a)
			mux.Handle("/app/", a.Wrap(later(a, http.StripPrefix("/app", sub))))
			return mux
		}},
	)
}

func TestGuards(t *testing.T) {
	t.Parallel()
	exampletest.Guards(t, func(a *exampletest.Guarded) http.Handler {
		photo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.Photo(w, r, r.PathValue("id")) })
		mux := http.NewServeMux()
		mux.Handle("GET /photos/{id}", a.View(photo))
		mux.Handle("PUT /photos/{id}", a.Edit(photo))
		mux.Handle("/any/{id}", a.Any(photo))
		return mux
	})
}
